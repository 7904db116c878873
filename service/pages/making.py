"""From what the API tells to a page: the same status documents, filled into templates that escape everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from fastapi import Response

from palimpsest import __version__
from palimpsest.contract.status import TERMINAL, AuditStatus, State, Waiting
from palimpsest.pages import look

HERE = Path(__file__).parent
SCRIPT = (HERE / "live.js").read_text()
HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": look.policy(images="'self'", script=SCRIPT) + "; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
SIGNS = {"succeeded": "✓", "failed": "✕", "cancelled": "–", "expired": "–", "running": "▶", "queued": "…"}


@dataclass(frozen=True)
class Shown:
    """One audit as a page shows it."""

    status: AuditStatus
    has_report: bool
    waits: str
    """Why nobody works on it, in a sentence; empty while somebody does."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will change."""
        return self.status.state in TERMINAL

    @property
    def sign(self) -> str:
        """Beside the word of its state."""
        return SIGNS.get(self.status.state, "…")

    @property
    def percent(self) -> str:
        """How much is done."""
        return f"{self.status.progress:.0%}".replace("%", " %")


def shown(status: AuditStatus, report_digest: str | None) -> Shown:
    """From its status document."""
    return Shown(status, report_digest is not None, waits(status.waiting))


def waits(waiting: Waiting | None) -> str:
    """A reason as a sentence."""
    if waiting is None:
        return ""
    if waiting.reason == "NO_WORKER":
        return "It waits: no worker is there."
    if waiting.reason == "NO_WORKER_FOR_FAMILY":
        return f"It waits: no worker serves models of the family {waiting.family}."
    if waiting.reason == "ENGINE_GONE":
        return f"It waits: no worker has the engine that began it ({waiting.engine})."
    return f"It waits in the queue; {waiting.position or 0} other audits go first."


def listing(audits: Sequence[Shown], *, state: str | None, older: str | None) -> Response:
    """The page at /."""
    return _answer("audits.html", audits=audits, states=get_args(State), state=state, older=older)


def standing(audit: Shown) -> Response:
    """The page of one audit."""
    return _answer("audit.html", audit=audit)


def _answer(name: str, **told: object) -> Response:
    content = look.page(HERE, name, script=look.trusted(SCRIPT), version=__version__, **told)
    return Response(content, media_type="text/html", headers=HEADERS)
