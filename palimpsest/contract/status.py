"""Where an audit stands while it is polled."""

from datetime import datetime
from typing import Any, Literal

from palimpsest.contract.model import Told
from palimpsest.contract.verdicts import Outcome

State = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled", "expired"]
TERMINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "expired"})
TERMINAL_EVENTS: frozenset[str] = frozenset(f"audit.{state}" for state in TERMINAL)
RESET = "reset"


class StageProgress(Told):
    """How much of one stage is done, in units of work."""

    stage: str
    done: int
    failed: int
    total: int
    fraction: float


class Links(Told):
    """Where to go from here."""

    self: str
    report: str
    cancel: str


Reason = Literal["NO_WORKER", "NO_WORKER_FOR_FAMILY", "ENGINE_GONE", "QUEUED"]


class Waiting(Told):
    """Why nobody works on an audit at the moment. Other reasons than QUEUED are the operator's to remove.

    No worker is there; none serves the model's ``family``; none has the ``engine`` that began the audit (its digest);
    or ``position`` other audits go first.
    """

    reason: Reason
    family: str | None
    engine: str | None
    position: int | None


class AuditStatus(Told):
    """The answer to a poll. ``progress`` is the share of the planned work that is done, 0 to 1.

    ``waiting`` is null while a worker is at it, and in lists and the answers to a submission or a cancellation.
    """

    id: str
    state: State
    revision: int
    model: str
    labels: dict[str, str]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: float
    stages: list[StageProgress]
    waiting: Waiting | None
    outcome: Outcome | None
    error: str | None
    detail: str | None
    links: Links


class AuditList(Told):
    """One page of audits, newest first; ``next_cursor`` is null on the last."""

    data: list[AuditStatus]
    next_cursor: str | None


class AuditEvent(Told):
    """One line of an audit's history; ``seq`` counts from 1 without gaps.

    A stream may also say ``reset``: events before ``seq`` are gone or were missed, and ``data`` has the audit's status.
    """

    seq: int
    type: str
    at: datetime
    data: dict[str, Any]


class EventList(Told):
    """Some of an audit's events, oldest first; go on with ``?after=`` what ``last`` says.

    ``ended`` when nothing will follow. ``reset`` when events after the number that was asked for are gone for good: the
    audit's status takes their place.
    """

    data: list[AuditEvent]
    last: int
    ended: bool
    reset: bool


class Admitted(Told):
    """The answer to ``?validate_only=true``: the request would be accepted, of this model, by this engine."""

    model: str
    model_digest: str
    engine: str
    targets: int
    controls: int
