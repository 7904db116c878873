"""What a request leaves behind: one JSON line, a count, and a span, under an id the caller knows too.

Never prompts, bodies or images: a line has the route's template, not the path, and of what was sent only the id of an
audit and the request's own.

Spans are FastAPI's own. They are made where ``OTEL_EXPORTER_OTLP_ENDPOINT`` names a collector and the extra ``otel`` is
installed; a caller's ``traceparent`` is continued. The span of a submission is kept with its audit, and the workers'
spans continue it (``worker/observability.py``).
"""

import re
import time
import traceback
from collections.abc import MutableMapping
from typing import Any, Protocol
from uuid import uuid4

import structlog
from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.identity import ID

log = structlog.get_logger()

REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_KEY = "palimpsest.request"
_BORNE = "palimpsest.borne"
GONE = 499
"""The status in the line of a request whose caller went away before there was one."""
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds, by machines: they leave no span."""


def telemetry(traces: TracerProvider | None = None) -> TelemetryConfig:
    """What FastAPI is told: spans to ``traces``, else where the environment says; metrics and logs are ours."""
    return {
        "tracer_provider": traces,
        "auto_configure": True,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "exclude": lambda scope: scope["path"] in PROBES,
    }


def bear(scope: MutableMapping[str, Any], headers: dict[str, str]) -> None:
    """The answer to this request will have these headers, whatever it is."""
    scope[_BORNE] = headers


def borne(scope: MutableMapping[str, Any]) -> dict[str, str] | None:
    """What ``bear`` was told of this request; None if it was not asked to."""
    return scope.get(_BORNE)


class Meter(Protocol):
    """Where answers are counted."""

    def answered(self, *, method: str, route: str | None, status: int, code: str | None, seconds: float) -> None:
        """Count one answer."""


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
        scope[_KEY] = {"request": sent if REQUEST_ID.fullmatch(sent) else f"req_{uuid4().hex}"}
    line: dict[str, Any] = scope[_KEY]
    return line


def traceparent() -> str | None:
    """The current span as a W3C header names it; None where nothing is traced."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


def cause(error: BaseException) -> str:
    """What happened; of a database error the driver's words, without the statement and the prompts in it."""
    return f"{type(error).__name__}: {getattr(error, 'orig', error)}"


def places(error: BaseException) -> list[str]:
    """The lines it passed through, innermost last."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


class Observed:
    """Echoes the request id, and when the last byte is out or the caller has gone writes the line and counts."""

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self.app, self.meter = app, meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, written = time.perf_counter(), False

        async def observed(message: Message) -> None:
            nonlocal written
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id(scope)
                for name, value in (borne(scope) or {}).items():
                    headers.append(name, value)
                note(scope, status=message["status"], **_audit(scope, headers.get("location", "")))
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                written = True
                self.write(scope, time.perf_counter() - started)

        try:
            await self.app(scope, receive, observed)
        except Exception:
            note(scope, status=500)
            raise
        finally:
            if not written:
                self.write(scope, time.perf_counter() - started)

    def write(self, scope: Scope, seconds: float) -> None:
        """The canonical line, and the count."""
        line, method = _line(scope), scope["method"]
        line.setdefault("status", GONE)
        route = getattr(scope.get("route"), "path", None)
        spanned = trace.get_current_span().get_span_context()
        if spanned.is_valid:
            line["trace"] = f"{spanned.trace_id:032x}"
        log.info("request", method=method, route=route, ms=round(seconds * 1000, 1), **line)
        self.meter.answered(method=method, route=route, status=line["status"], code=line.get("code"), seconds=seconds)


def _audit(scope: Scope, location: str) -> dict[str, str]:
    """The audit that the request was about: named by its path, or by the answer to a submission."""
    asked = str(scope.get("path_params", {}).get("audit_id", ""))
    about = ID.fullmatch(asked) or ID.search(location)
    return {"audit": about[0]} if about else {}
