"""What a unit leaves behind: one JSON line, and a span in the trace that its audit arrived with.

Never prompts, images or parameters: a line says which unit, how it ended, how long it took and what it cost.

Spans are made where ``OTEL_EXPORTER_OTLP_ENDPOINT`` names a collector, which needs the extra ``otel``. The trace is the
one of the request that submitted the audit: the ledger keeps its ``traceparent`` with the audit's first event.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import structlog

from ledger import events
from ledger.database import UNREACHABLE, Ledger
from ledger.units import Ticket

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

log = structlog.get_logger()

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
QUIET = frozenset({"done", "cancelled", "lost", "returned"})
"""How a unit may end without a code."""


def configure() -> None:
    """JSON lines on the process's own standard output; Celery puts a logger of its own in place of ``sys.stdout``."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.__stdout__),
    )


@dataclass
class Line:
    """What becomes known about a unit while it is performed. ``forwards`` are rows through the denoiser.

    ``steps`` are those of a training that this performance took: one that went on took fewer than there are.
    """

    ended: str = "done"
    forwards: int | None = None
    steps: int | None = None
    trace: str | None = None


@contextmanager
def performed(ledger: Ledger, ticket: Ticket, tracer: "Tracer | None" = None) -> Iterator[Line]:
    """Around one unit: whoever performs it says on the line how it ended, and the line is written at the end.

    ``tracer`` is this process's own unless given; without one there is no span.
    """
    line, started = Line(), time.monotonic()
    try:
        with _span(ledger, ticket, tracer or tracer_of_this_process(), line):
            yield line
    finally:
        known = {"forwards": line.forwards, "steps": line.steps, "trace": line.trace}
        log.info(
            "unit",
            tenant=ticket.tenant,
            audit=ticket.audit_id,
            unit=ticket.unit_id,
            kind=ticket.kind,
            stage=ticket.stage,
            ordinal=ticket.ordinal,
            attempt=ticket.attempt,
            ended=line.ended,
            seconds=round(time.monotonic() - started, 3),
            **{name: value for name, value in known.items() if value is not None},
        )


@contextmanager
def _span(ledger: Ledger, ticket: Ticket, tracer: "Tracer | None", line: Line) -> Iterator[None]:
    if tracer is None:
        yield
        return
    from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415  the extra is there when there is a tracer

    attributes: dict[str, str | int] = {
        "palimpsest.tenant": ticket.tenant,
        "palimpsest.audit": ticket.audit_id,
        "palimpsest.unit": ticket.unit_id,
        "palimpsest.stage": ticket.stage,
        "palimpsest.attempt": ticket.attempt,
    }
    with tracer.start_as_current_span(
        f"unit {ticket.kind}",
        context=_submission(ledger, ticket),
        kind=SpanKind.CONSUMER,
        attributes=attributes,
        record_exception=False,  # an exception's text may name what was asked
        set_status_on_exception=False,
    ) as span:
        line.trace = f"{span.get_span_context().trace_id:032x}"
        try:
            yield
        finally:
            span.set_attribute("palimpsest.ended", line.ended)
            if line.forwards is not None:
                span.set_attribute("palimpsest.sample_forwards", line.forwards)
            if line.ended not in QUIET:
                span.set_status(StatusCode.ERROR, line.ended)


def _submission(ledger: Ledger, ticket: Ticket) -> "Context":
    """The context of the request that submitted the audit; an empty one when that was not traced."""
    from opentelemetry.context import Context  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    try:
        with ledger.reading() as connection:
            first = events.after(connection, ticket.tenant, ticket.audit_id, 0, limit=1)
    except UNREACHABLE:
        first = []
    carrier = {name: str(value) for event in first for name, value in event.data.items() if name == "traceparent"}
    return TraceContextTextMapPropagator().extract(carrier, context=Context())


def send_spans() -> None:
    """Send what is at hand: a child of the pool ends without the interpreter's own farewell."""
    provider = provider_of_this_process()
    if provider is not None:
        provider.force_flush()


def tracer_of_this_process() -> "Tracer | None":
    """What makes spans; None where they have no place to go."""
    provider = provider_of_this_process()
    return None if provider is None else provider.get_tracer("palimpsest.worker")


@cache
def provider_of_this_process() -> "TracerProvider | None":
    """Sends spans to the collector that the environment names; None where it names none.

    Its thread does not survive a fork: ask in the process that works. Raises ModuleNotFoundError without the extra.
    """
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
