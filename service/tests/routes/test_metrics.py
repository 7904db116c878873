"""GET /metrics."""

from collections.abc import Callable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from service.tests.conftest import Bench

Asked = Callable[..., dict[str, Any]]


def samples(bench: Bench) -> dict[str, list[dict[str, str]]]:
    """The labels of every sample, by its name."""
    found: dict[str, list[dict[str, str]]] = {}
    for metric in text_string_to_metric_families(bench.client.get("/metrics").text):
        for sample in metric.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def test_requests_and_the_ledger_are_told_in_prometheus_words(bench: Bench, asked: Asked) -> None:
    """After one submission: a request by its template, a queued unit, a message; no id of an audit anywhere."""
    audit = bench.submitted(asked())
    bench.client.get(f"/v1/audits/{audit}")
    found = samples(bench)
    assert {"method": "GET", "route": "/v1/audits/{audit_id}", "status": "200"} in found[
        "palimpsest_http_requests_total"
    ]
    assert [labels["state"] for labels in found["palimpsest_units"]] == ["queued"]
    assert found["palimpsest_ledger_up"] == [{}]
    assert audit not in bench.client.get("/metrics").text


def test_refusals_are_counted_by_code(bench: Bench) -> None:
    """So that a quota can be told from an outage."""
    bench.client.get("/v1/audits/nobody")
    assert {"code": "AUDIT_NOT_FOUND"} in samples(bench)["palimpsest_refusals_total"]


def test_it_is_not_part_of_the_api(bench: Bench) -> None:
    """No cache keeps it, and the OpenAPI document does not name it."""
    answer = bench.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert answer.headers["cache-control"] == "no-store"
    assert "/metrics" not in bench.client.get("/openapi.json").json()["paths"]


def test_openmetrics_is_spoken_to_whoever_asks(bench: Bench) -> None:
    """As Prometheus does by default."""
    answer = bench.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
