"""What is left in the log of a request."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from ledger import events
from ledger.database import Ledger
from ledger.evidence import EvidenceStore
from service.app import create_app
from service.dispatch import RecordingDispatch
from service.meters import RequestMeter
from service.observability import Observed
from service.settings import Settings
from service.tests.conftest import Bench, on_this_machine

Asked = Callable[..., dict[str, Any]]


def test_a_request_leaves_one_line(bench: Bench, asked: Asked) -> None:
    """Who asked what of which audit, status and time, under the id that was answered; no prompt, path or image."""
    with capture_logs() as logs:
        answer = bench.post(asked())
        bench.client.get(f"/v1/audits/{answer.json()['id']}")
    posted, got = [line for line in logs if line["event"] == "request"]
    known = {"event", "log_level", "method", "route", "ms", "request", "status", "tenant", "actor", "audit"}
    assert set(posted) == set(got) == known
    assert posted["audit"] == got["audit"] == answer.json()["id"]
    assert posted["tenant"] == "local"
    assert (posted["method"], posted["route"], posted["status"]) == ("POST", "/v1/audits", 202)
    assert posted["request"] == answer.headers["X-Request-Id"]
    assert got["route"] == "/v1/audits/{audit_id}"
    assert "cat" not in str(logs)


def test_a_refusal_leaves_its_code(bench: Bench) -> None:
    """One more field."""
    with capture_logs() as logs:
        bench.client.get("/v1/audits/nobody")
    assert [line.get("code") for line in logs] == ["AUDIT_NOT_FOUND"]
    assert "nobody" not in str(logs)


def test_an_id_is_echoed_or_minted(bench: Bench) -> None:
    """A caller's id comes back; what does not look like one is replaced, as is none."""
    assert bench.client.get("/healthz", headers={"X-Request-Id": "run-7"}).headers["X-Request-Id"] == "run-7"
    for sent in ({}, {"X-Request-Id": "a b"}, {"X-Request-Id": "x" * 200}):
        assert bench.client.get("/healthz", headers=sent).headers["X-Request-Id"].startswith("req_")


def test_a_request_continues_the_callers_trace_and_hands_it_on(tmp_path: Path, asked: Asked) -> None:
    """The span has the caller's trace id, the log line names it, and the audit's first event keeps the span itself."""
    spans = InMemorySpanExporter()
    traces = TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(spans))
    settings = Settings(home=tmp_path)
    ledger = Ledger(settings.ledger)
    app = create_app(
        settings,
        ledger=ledger,
        evidence=EvidenceStore(settings.evidence),
        dispatch=RecordingDispatch(),
        traces=traces,
    )
    with on_this_machine(app) as client, capture_logs() as logs:
        bench = Bench(settings, ledger, EvidenceStore(settings.evidence), RecordingDispatch(), client)
        bench.publish()
        sent = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
        audit = bench.post(asked(), **sent).json()["id"]
        client.get("/healthz", headers=sent)
    [span] = spans.get_finished_spans()
    assert span.name == "POST /v1/audits"
    assert f"{span.context.trace_id:032x}" == "a" * 32
    assert [line["trace"] for line in logs if line.get("route") == "/v1/audits"] == ["a" * 32]
    with ledger.reading() as connection:
        [first, *_] = events.after(connection, "local", audit, 0)
    ledger.close()
    assert first.data == {"traceparent": f"00-{'a' * 32}-{span.context.span_id:016x}-01"}


def test_without_a_collector_nothing_is_traced(bench: Bench, asked: Asked) -> None:
    """A caller's traceparent is then nobody's: no trace in the line, none kept with the audit."""
    with capture_logs() as logs:
        audit = bench.post(asked(), traceparent=f"00-{'a' * 32}-{'b' * 16}-01").json()["id"]
    assert all("trace" not in line for line in logs)
    with bench.ledger.reading() as connection:
        assert events.after(connection, "local", audit, 0)[0].data == {}


def test_a_caller_who_goes_away_leaves_a_line_too() -> None:
    """Before there was a status it is 499; in the middle of an answer it is the answer's."""

    async def silent(*_: Any) -> None:
        """Answers nothing."""

    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"event", "more_body": True})

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        """Nobody listens."""

    counted = RequestMeter(CollectorRegistry())
    with capture_logs() as logs:
        for app in (silent, half):
            scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
            asyncio.run(Observed(app, counted)(scope, receive, send))
    assert [line["status"] for line in logs] == [499, 200]
