"""What the commands that start audits share: a request from a file, and the wait for its end."""

import json
from typing import Annotated, Any, BinaryIO, NoReturn

import typer

from palimpsest.client import AuditClient
from palimpsest.contract.status import AuditStatus
from palimpsest.errors import TimedOut, Unreachable
from palimpsest.exits import note
from palimpsest.options import console
from palimpsest.progress import shown

Timeout = Annotated[float | None, typer.Option("--timeout", min=0, help="Seconds to wait; without it, until the end.")]
Repeat = Annotated[str | None, typer.Option("--idempotency-key", help="Equal keys start one audit; minted by default.")]


def read(file: BinaryIO) -> dict[str, Any]:
    """A request's JSON object, otherwise unjudged: that is the service's part."""
    try:
        request = json.load(file, parse_constant=refuse_constant)
    except ValueError as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint="REQUEST.json") from None
    if not isinstance(request, dict):
        raise typer.BadParameter("not a JSON object", param_hint="REQUEST.json")
    return request


def refuse_constant(name: str) -> NoReturn:
    """JSON has no NaN and no infinities, though Python reads them."""
    raise ValueError(f"{name} is no JSON number")


def watched(client: AuditClient, audit_id: str, timeout: float | None) -> AuditStatus:
    """The status an audit ended with, its progress shown on the way."""
    try:
        with shown(console(stderr=True)) as on_status:
            return client.wait(audit_id, timeout=timeout, on_status=on_status)
    except (KeyboardInterrupt, TimedOut, Unreachable):
        note(f"look again: palimpsest audit watch {audit_id}; stop it: palimpsest audit cancel {audit_id}")
        raise
