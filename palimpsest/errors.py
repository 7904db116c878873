"""Why a call to Palimpsest can fail.

* PalimpsestError
  x Unreachable      nobody answered at that address, however often asked
  x NotUnderstood    somebody answered, but not as Palimpsest does
  x ProblemError     the service refused; carries its ``Problem``
  x AuditFailed      the audit ended as failed; carries its code and detail
  x TimedOut         the audit did not end in the time allowed; it goes on without the caller
  x NotVerified      what was signed cannot be trusted: no signature holds, or it is of something else
"""

from palimpsest.contract.problems import Problem


class PalimpsestError(Exception):
    """Anything that goes wrong between a caller and an audit's answer."""


class Unreachable(PalimpsestError):
    """Nobody answered at that address, however often asked."""


class NotUnderstood(PalimpsestError):
    """Somebody answered, but not as Palimpsest does: a proxy, another service, or a much newer release."""


class ProblemError(PalimpsestError):
    """The service refused."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code}: {problem.detail}")
        self.problem = problem


class AuditFailed(PalimpsestError):
    """The audit ended as failed, with a code of ``contract.problems`` where the service gave one."""

    def __init__(self, audit_id: str, *, code: str | None, detail: str | None) -> None:
        super().__init__(f"audit {audit_id} failed: {code or 'no code'}: {detail or 'no detail'}")
        self.audit_id = audit_id
        self.code = code
        self.detail = detail


class TimedOut(PalimpsestError):
    """The audit did not end in the time allowed; it goes on without the caller."""

    def __init__(self, audit_id: str, *, seconds: float) -> None:
        super().__init__(f"audit {audit_id} has not ended after {seconds:g} s; it goes on")
        self.audit_id = audit_id
        self.seconds = seconds


class NotVerified(PalimpsestError):
    """What was signed cannot be trusted: no signature holds, or it is of something else."""
