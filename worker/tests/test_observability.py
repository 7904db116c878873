"""What one unit leaves behind: a line, and a span in the trace its audit arrived with."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, Tracer
from structlog.testing import capture_logs

from ledger import audits, intake, units
from ledger.database import Ledger
from ledger.units import Ticket
from worker.observability import ENDPOINTS, performed, provider_of_this_process, tracer_of_this_process

TRACE, PARENT = "a" * 32, "b" * 16
ROOT = Path(__file__).parents[2]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    ledger.upgrade()
    yield ledger
    ledger.close()


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """Where spans end up."""
    return InMemorySpanExporter()


@pytest.fixture
def tracer(spans: InMemorySpanExporter) -> Tracer:
    """A tracer of this test's own."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return provider.get_tracer("test")


def claimed(ledger: Ledger, traceparent: str | None = None) -> Ticket:
    """The planning unit of a new audit, in hand."""
    submission = audits.Submission(
        request={"targets": [{"prompt": "a cat on a mat"}]},
        request_digest="d" * 64,
        model_id="toy",
        labels={},
        key="key",
        fingerprint="f",
        reuse=False,
        traceparent=traceparent,
    )
    with ledger.writing() as connection:
        intake.submit(connection, "local", submission)
        unit = connection.exec_driver_sql("SELECT id FROM units").scalar_one()
        ticket = units.claim(connection, "local", unit, owner="w", engine="e", lease_seconds=60, hard_seconds=60)
    assert ticket is not None
    return ticket


def test_a_unit_leaves_one_line(ledger: Ledger) -> None:
    """Whose, which, how it ended, how long it took, what it cost; and nothing that was asked."""
    ticket = claimed(ledger)
    with capture_logs() as logs, performed(ledger, ticket) as line:
        line.forwards = 120
    [told] = logs
    assert {name: told[name] for name in ("event", "tenant", "audit", "unit", "kind", "attempt")} == {
        "event": "unit",
        "tenant": "local",
        "audit": ticket.audit_id,
        "unit": ticket.unit_id,
        "kind": "plan",
        "attempt": 1,
    }
    assert (told["ended"], told["forwards"]) == ("done", 120)
    assert told["seconds"] >= 0
    assert "trace" not in told
    assert "cat" not in str(told)


def test_the_line_is_written_whatever_happens(ledger: Ledger) -> None:
    """An exception that nobody expected passes through, and the line says what was known by then."""
    with capture_logs() as logs, pytest.raises(ZeroDivisionError), performed(ledger, claimed(ledger)) as line:
        line.ended = "INTERNAL_ERROR"
        raise ZeroDivisionError
    assert [told["ended"] for told in logs] == ["INTERNAL_ERROR"]


def test_the_span_continues_the_trace_of_the_submission(
    ledger: Ledger, tracer: Tracer, spans: InMemorySpanExporter
) -> None:
    """Its parent is the request that submitted the audit; the line names the trace."""
    ticket = claimed(ledger, f"00-{TRACE}-{PARENT}-01")
    with capture_logs() as logs, performed(ledger, ticket, tracer) as line:
        line.forwards = 7
    [span] = spans.get_finished_spans()
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)  # type: ignore[union-attr]
    assert span.name == "unit plan"
    assert dict(span.attributes or {}) == {
        "palimpsest.tenant": "local",
        "palimpsest.audit": ticket.audit_id,
        "palimpsest.unit": ticket.unit_id,
        "palimpsest.stage": "plan",
        "palimpsest.attempt": 1,
        "palimpsest.ended": "done",
        "palimpsest.sample_forwards": 7,
    }
    assert span.status.status_code is StatusCode.UNSET
    assert [told["trace"] for told in logs] == [TRACE]


def test_an_audit_that_was_not_traced_begins_a_trace(
    ledger: Ledger, tracer: Tracer, spans: InMemorySpanExporter
) -> None:
    """Of each unit's own; a failure marks the span with its code and records no exception's text."""
    with pytest.raises(ValueError, match="a cat"), performed(ledger, claimed(ledger), tracer) as line:
        line.ended = "OUT_OF_MEMORY"
        raise ValueError("a cat on a mat")
    [span] = spans.get_finished_spans()
    assert span.parent is None
    assert span.status.status_code is StatusCode.ERROR
    assert "cat" not in span.to_json()


def test_units_that_end_with_a_code_are_errors(ledger: Ledger, tracer: Tracer, spans: InMemorySpanExporter) -> None:
    """A unit that was only cancelled or lost is none."""
    ticket = claimed(ledger)
    for ended in ("cancelled", "lost", "OUT_OF_MEMORY"):
        with performed(ledger, ticket, tracer) as line:
            line.ended = ended
    found = [(span.status.status_code, span.status.description) for span in spans.get_finished_spans()]
    assert found == [(StatusCode.UNSET, None), (StatusCode.UNSET, None), (StatusCode.ERROR, "OUT_OF_MEMORY")]


def test_there_is_a_tracer_where_the_environment_names_a_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """None without one, or with an empty name, as in a compose file that has none."""
    for name in ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    provider_of_this_process.cache_clear()
    assert tracer_of_this_process() is None
    provider_of_this_process.cache_clear()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    assert tracer_of_this_process() is None
    provider_of_this_process.cache_clear()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    assert tracer_of_this_process() is not None
    provider_of_this_process.cache_clear()


def test_lines_are_json_on_the_processs_own_output() -> None:
    """Also where something else has taken the place of ``sys.stdout``, as Celery's logger does in a worker."""
    source = """
import io, sys
from worker import observability
sys.stdout = io.StringIO()
observability.configure()
observability.log.info("unit", ended="done")
"""
    told = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, check=True, text=True)
    line = json.loads(told.stdout)
    assert (line["event"], line["level"], line["ended"]) == ("unit", "info", "done")
    assert line["timestamp"].endswith("Z")
