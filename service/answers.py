"""An audit as it is told: its status document, and the headers that make polling cheap."""

import math
from dataclasses import asdict
from datetime import UTC, datetime

from ledger.audits import AuditRow, StageRow
from palimpsest.contract.status import TERMINAL, AuditStatus, Links, StageProgress

SOONEST, LATEST = 1, 30
"""Bounds of ``Retry-After``, in seconds."""


SHOWN = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of a kept page: it was made by some release, whose own stricter policy stands in it and holds as well."""


def status(row: AuditRow) -> AuditStatus:
    """What GET /v1/audits/{id} says."""
    return AuditStatus.model_validate(
        {
            **{field: getattr(row, field) for field in ("id", "state", "revision", "labels", "error", "detail")},
            "model": row.model_id,
            "outcome": row.outcome,
            "created_at": _moment(row.created_at),
            "started_at": _moment(row.started_at),
            "finished_at": _moment(row.finished_at),
            "progress": progress(row),
            "stages": [_stage(stage) for stage in row.stages],
            "waiting": None if row.waiting is None else asdict(row.waiting),
            "links": Links(self=address(row), report=f"{address(row)}/report", cancel=f"{address(row)}/cancel"),
        }
    )


def address(row: AuditRow) -> str:
    """Where the audit is."""
    return f"/v1/audits/{row.id}"


def etag(row: AuditRow) -> str:
    """Weak: equal revisions tell the same, if not byte for byte; what an audit waits for changes without them."""
    waits = [] if row.waiting is None else [row.waiting.reason, row.waiting.position]
    return f'W/"{".".join(str(part) for part in [row.id, row.revision, *waits] if part is not None)}"'


def is_current(if_none_match: str | None, row: AuditRow) -> bool:
    """Whether the caller already has this revision."""
    return is_known(if_none_match, etag(row))


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether a tag, in its quotes, is among those of If-None-Match, which are compared weakly."""
    known = [other.strip().removeprefix("W/") for other in (if_none_match or "").split(",")]
    return "*" in known or tag.removeprefix("W/") in known


def headers(row: AuditRow, *, now: float) -> dict[str, str]:
    """Of every answer about one audit; ``Retry-After`` while it goes on."""
    always = {"ETag": etag(row), "Cache-Control": "private, no-cache"}
    return always if row.state in TERMINAL else {**always, "Retry-After": str(retry_after(row, now=now))}


def retry_after(row: AuditRow, *, now: float) -> int:
    """A quarter of the time that seems to be left, in whole seconds within bounds."""
    done = progress(row)
    if row.started_at is None or done == 0:
        return 2 * SOONEST
    left = max(0.0, now - row.started_at) * (1 - done) / done
    return min(LATEST, max(SOONEST, math.ceil(left / 4)))


def progress(row: AuditRow) -> float:
    """The share of the planned work that has ended, 0 to 1. Planning itself is not work, and 1 means the end."""
    if row.state in TERMINAL:
        return 1.0
    work = [stage for stage in row.stages if stage.name != "plan"]
    planned = sum(stage.total for stage in work)
    return sum(_fraction(stage) * stage.total for stage in work) / planned if planned else 0.0


def _fraction(stage: StageRow) -> float:
    """Units that ended without success have ended too."""
    ended = (stage.done + stage.failed) / stage.total if stage.total else 1.0
    return max(stage.fraction, ended)


def _stage(stage: StageRow) -> StageProgress:
    return StageProgress(
        stage=stage.name, done=stage.done, failed=stage.failed, total=stage.total, fraction=_fraction(stage)
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
