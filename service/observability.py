"""What the gateway leaves in the log: one JSON line per request, under an id the caller knows too.

Never prompts, bodies or images: a line has the route's template, not the path, and no value that was sent.
"""

import re
import time
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from ulid import ULID

log = structlog.get_logger()

REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_KEY = "palimpsest.request"


def configure() -> None:
    """JSON lines on standard output, for gateway and sweeper alike."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ]
    )


def request_id(scope: MutableMapping[str, Any]) -> str:
    """The id of this request: the caller's ``X-Request-Id`` if it looks like one, else a new one."""
    return str(_line(scope)["request"])


def note(scope: MutableMapping[str, Any], **values: Any) -> None:
    """Add to this request's line."""
    _line(scope).update(values)


def _line(scope: MutableMapping[str, Any]) -> dict[str, Any]:
    if _KEY not in scope:
        sent = Headers(scope=scope).get("x-request-id", "")
        scope[_KEY] = {"request": sent if REQUEST_ID.fullmatch(sent) else f"req_{ULID()}"}
    line: dict[str, Any] = scope[_KEY]
    return line


def cause(error: BaseException) -> str:
    """What happened; of a database error the driver's words, without the statement and the prompts in it."""
    return f"{type(error).__name__}: {getattr(error, 'orig', error)}"


def places(error: BaseException) -> list[str]:
    """The lines it passed through, innermost last."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


class Observed:
    """Echoes the request id and writes the line when the last byte is out."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                note(scope, status=message["status"])
                MutableHeaders(scope=message)["X-Request-Id"] = request_id(scope)
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                write_line(scope, time.perf_counter() - started)

        try:
            await self.app(scope, receive, observed)
        except Exception:
            note(scope, status=500)
            write_line(scope, time.perf_counter() - started)
            raise


def write_line(scope: Scope, seconds: float) -> None:
    """The canonical line."""
    route = getattr(scope.get("route"), "path", None)
    log.info("request", method=scope["method"], route=route, ms=round(seconds * 1000, 1), **_line(scope))
