"""Why something was refused or failed: one stable code each.

* asked wrongly (4xx, nothing is enqueued)
  - MALFORMED_REQUEST · BODY_TOO_LARGE · IDEMPOTENCY_KEY_MISSING · IDEMPOTENCY_KEY_INVALID · IDEMPOTENCY_KEY_REUSED
  - UNKNOWN_MODEL · UNKNOWN_TARGET_SET · UNKNOWN_METHOD · METHOD_NOT_APPLICABLE · TOO_MANY_TARGETS · NO_TARGETS
  - TARGET_EMPTY · TARGET_WITHOUT_IMAGE · IMAGE_UNREADABLE · TOO_MANY_PIXELS · REGION_UNSUPPORTED
  - BASELINE_MODEL_UNSUPPORTED
  - AUDIT_NOT_FOUND · ROUTE_NOT_FOUND · METHOD_NOT_ALLOWED · UNKNOWN_FORMAT · REPORT_NOT_READY · REPORT_REMOVED
  - EVIDENCE_NOT_FOUND · EVIDENCE_REMOVED
  - MITIGATION_NOT_FOUND · MITIGATION_NOT_EXPORTABLE · CHECKPOINT_NOT_READY · CHECKPOINT_REMOVED
  - AUDIT_ALREADY_TERMINAL
  - TOO_MANY_STREAMS
* not able to answer now (503)
  - CATALOGUE_NOT_READY · LEDGER_UNAVAILABLE
* a unit of work failed (in the report, never over HTTP)
  - WORKER_LOST · UNIT_TIMED_OUT · OUT_OF_MEMORY · SEARCH_DIVERGED · MODEL_CHANGED · SET_CHANGED
  - EVIDENCE_UNREADABLE · METHOD_FAILED
* our fault
  - INTERNAL_ERROR
"""

from enum import StrEnum
from typing import Any

from palimpsest.contract.model import Told


class Code(StrEnum):
    """Every reason Palimpsest gives; each has a heading in docs/errors.md."""

    MALFORMED_REQUEST = "MALFORMED_REQUEST"
    BODY_TOO_LARGE = "BODY_TOO_LARGE"
    IDEMPOTENCY_KEY_MISSING = "IDEMPOTENCY_KEY_MISSING"
    IDEMPOTENCY_KEY_INVALID = "IDEMPOTENCY_KEY_INVALID"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    UNKNOWN_MODEL = "UNKNOWN_MODEL"
    UNKNOWN_TARGET_SET = "UNKNOWN_TARGET_SET"
    UNKNOWN_METHOD = "UNKNOWN_METHOD"
    METHOD_NOT_APPLICABLE = "METHOD_NOT_APPLICABLE"
    TOO_MANY_TARGETS = "TOO_MANY_TARGETS"
    NO_TARGETS = "NO_TARGETS"
    TARGET_EMPTY = "TARGET_EMPTY"
    TARGET_WITHOUT_IMAGE = "TARGET_WITHOUT_IMAGE"
    IMAGE_UNREADABLE = "IMAGE_UNREADABLE"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    REGION_UNSUPPORTED = "REGION_UNSUPPORTED"
    BASELINE_MODEL_UNSUPPORTED = "BASELINE_MODEL_UNSUPPORTED"
    AUDIT_NOT_FOUND = "AUDIT_NOT_FOUND"
    ROUTE_NOT_FOUND = "ROUTE_NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    UNKNOWN_FORMAT = "UNKNOWN_FORMAT"
    REPORT_NOT_READY = "REPORT_NOT_READY"
    REPORT_REMOVED = "REPORT_REMOVED"
    EVIDENCE_NOT_FOUND = "EVIDENCE_NOT_FOUND"
    EVIDENCE_REMOVED = "EVIDENCE_REMOVED"
    MITIGATION_NOT_FOUND = "MITIGATION_NOT_FOUND"
    MITIGATION_NOT_EXPORTABLE = "MITIGATION_NOT_EXPORTABLE"
    CHECKPOINT_NOT_READY = "CHECKPOINT_NOT_READY"
    CHECKPOINT_REMOVED = "CHECKPOINT_REMOVED"
    AUDIT_ALREADY_TERMINAL = "AUDIT_ALREADY_TERMINAL"
    TOO_MANY_STREAMS = "TOO_MANY_STREAMS"
    CATALOGUE_NOT_READY = "CATALOGUE_NOT_READY"
    LEDGER_UNAVAILABLE = "LEDGER_UNAVAILABLE"
    WORKER_LOST = "WORKER_LOST"
    UNIT_TIMED_OUT = "UNIT_TIMED_OUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    SEARCH_DIVERGED = "SEARCH_DIVERGED"
    MODEL_CHANGED = "MODEL_CHANGED"
    SET_CHANGED = "SET_CHANGED"
    EVIDENCE_UNREADABLE = "EVIDENCE_UNREADABLE"
    METHOD_FAILED = "METHOD_FAILED"
    INTERNAL_ERROR = "INTERNAL_ERROR"

    @classmethod
    def _missing_(cls, value: object) -> "Code | None":
        """A newer release's code reads as itself, so that an older client can still say why it was refused."""
        if not isinstance(value, str):
            return None
        newer = str.__new__(cls, value)
        newer._name_ = newer._value_ = value
        return newer


class FieldProblem(Told):
    """One field of a request and what is wrong with it; the value itself is never echoed."""

    field: str
    code: Code
    detail: str


class Problem(Told):
    """RFC 9457 problem details, with a stable ``code``."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: Code
    errors: list[FieldProblem]

    def body(self) -> dict[str, Any]:
        """The JSON of ``application/problem+json``."""
        return self.model_dump(mode="json")
