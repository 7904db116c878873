"""One trace follows an audit from its POST to its report, through the gateway and whoever performs its units."""

import base64
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from PIL import Image

from ledger import catalogue, units
from ledger.database import Ledger
from ledger.evidence import EvidenceStore
from ledger.stages import StagePlan, UnitPlan
from ledger.units import Conclusion, Ticket
from service.app import create_app
from service.dispatch import RecordingDispatch
from service.settings import Settings
from service.tests.cards import method_cards, model_card
from service.tests.conftest import on_this_machine
from worker.observability import performed

PLAN = [
    StagePlan("baseline", [UnitPlan("baseline", {}), UnitPlan("baseline", {})]),
    StagePlan("report", [UnitPlan("report", {}, critical=True)], after=["baseline"]),
]


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """Where the spans of both halves end up, as in a collector."""
    return InMemorySpanExporter()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Everything under this test's own folder."""
    return Settings(home=tmp_path)


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    """A ledger in which a worker has published a model."""
    ledger = Ledger(settings.ledger)
    ledger.upgrade()
    with ledger.writing() as connection:
        catalogue.publish(connection, "local", engine="e", cards=[model_card()], method_cards=method_cards())
    yield ledger
    ledger.close()


def provider(spans: InMemorySpanExporter, service: str) -> TracerProvider:
    """One process's own way to the collector."""
    made = TracerProvider(resource=Resource({"service.name": service}))
    made.add_span_processor(SimpleSpanProcessor(spans))
    return made


def submitted(settings: Settings, ledger: Ledger, traces: TracerProvider) -> None:
    """POST an audit of one picture to a gateway of this process."""
    file = BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    picture = {"media_type": "image/png", "base64": base64.b64encode(file.getvalue()).decode()}
    asked = {
        "model": "bundled",
        "targets": [{"id": "cat", "prompt": "a cat on a mat", "images": [picture]}],
        "mitigations": [{"kind": "wanda"}],
    }
    evidence = EvidenceStore(settings.evidence)
    app = create_app(settings, ledger=ledger, evidence=evidence, dispatch=RecordingDispatch(), traces=traces)
    with on_this_machine(app) as client:
        answer = client.post("/v1/audits", json=asked, headers={"Idempotency-Key": "key-0000-0000-0001"})
    assert answer.status_code == 202, answer.text


def take(ledger: Ledger) -> Ticket | None:
    """Some unit that can be taken."""
    with ledger.writing() as connection:
        queued = connection.exec_driver_sql("SELECT id FROM units WHERE state = 'queued' ORDER BY stage, ordinal")
        unit = queued.scalars().first()
        if unit is None:
            return None
        return units.claim(connection, "local", unit, owner="w", engine="e", lease_seconds=60, hard_seconds=600)


def finish(ledger: Ledger, ticket: Ticket) -> None:
    """End it as its station would."""
    conclusion = Conclusion("finding", "r" * 64, "e" * 64) if ticket.kind == "report" else None
    with ledger.writing() as connection:
        planned = PLAN if ticket.kind == "plan" else None
        units.finish(connection, ticket, {}, [], planned=planned, conclusion=conclusion)


def service_of(span: ReadableSpan) -> str:
    """Who made it."""
    return str(span.resource.attributes["service.name"])


def test_one_trace_from_post_to_report(settings: Settings, ledger: Ledger, spans: InMemorySpanExporter) -> None:
    """Two workers share the units of one audit: five spans of three processes, one trace, one parent."""
    submitted(settings, ledger, provider(spans, "gateway"))
    tracers = [provider(spans, name).get_tracer("worker") for name in ("worker-1", "worker-2")]
    for n in range(4):
        ticket = take(ledger)
        assert ticket is not None
        with performed(ledger, ticket, tracers[n % 2]):
            finish(ledger, ticket)
    assert take(ledger) is None
    with ledger.reading() as connection:
        assert connection.exec_driver_sql("SELECT state FROM audits").scalar_one() == "succeeded"

    post, *performances = spans.get_finished_spans()
    assert [(service_of(span), span.name) for span in (post, *performances)] == [
        ("gateway", "POST /v1/audits"),
        ("worker-1", "unit plan"),
        ("worker-2", "unit baseline"),
        ("worker-1", "unit baseline"),
        ("worker-2", "unit report"),
    ]
    assert {span.context.trace_id for span in performances} == {post.context.trace_id}
    assert {span.parent.span_id for span in performances if span.parent} == {post.context.span_id}
    assert "cat" not in "".join(span.to_json() for span in (post, *performances))
