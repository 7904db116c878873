"""Where an audit stands while it is polled."""

from datetime import datetime
from typing import Literal

from palimpsest.contract.model import Told
from palimpsest.contract.verdicts import Outcome

State = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled", "expired"]
TERMINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "expired"})


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


class AuditStatus(Told):
    """The answer to a poll. ``progress`` is the share of the planned work that is done, 0 to 1."""

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
    outcome: Outcome | None
    error: str | None
    detail: str | None
    links: Links


class AuditList(Told):
    """One page of audits, newest first; ``next_cursor`` is null on the last."""

    data: list[AuditStatus]
    next_cursor: str | None
