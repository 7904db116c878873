"""What is left in the log of a request."""

from collections.abc import Callable
from typing import Any

from structlog.testing import capture_logs

from service.tests.conftest import Bench

Asked = Callable[..., dict[str, Any]]


def test_a_request_leaves_one_line(bench: Bench, asked: Asked) -> None:
    """Method, route template, status and time, under the id that was answered; no prompt, id or image."""
    with capture_logs() as logs:
        answer = bench.post(asked())
        bench.client.get(f"/v1/audits/{answer.json()['id']}")
    posted, got = [line for line in logs if line["event"] == "request"]
    assert set(posted) == {"event", "log_level", "method", "route", "ms", "request", "status"}
    assert (posted["method"], posted["route"], posted["status"]) == ("POST", "/v1/audits", 202)
    assert posted["request"] == answer.headers["X-Request-Id"]
    assert got["route"] == "/v1/audits/{audit_id}"
    assert "cat" not in str(logs)


def test_a_refusal_leaves_its_code(bench: Bench) -> None:
    """One more field."""
    with capture_logs() as logs:
        bench.client.get("/v1/audits/nobody")
    assert [line.get("code") for line in logs] == ["AUDIT_NOT_FOUND"]


def test_an_id_is_echoed_or_minted(bench: Bench) -> None:
    """A caller's id comes back; what does not look like one is replaced, as is none."""
    assert bench.client.get("/healthz", headers={"X-Request-Id": "run-7"}).headers["X-Request-Id"] == "run-7"
    for sent in ({}, {"X-Request-Id": "a b"}, {"X-Request-Id": "x" * 200}):
        assert bench.client.get("/healthz", headers=sent).headers["X-Request-Id"].startswith("req_")
