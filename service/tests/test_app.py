"""The composition root: what it serves, what it says of it, and how it behaves as a process."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ledger.database import Ledger
from ledger.errors import SchemaOutOfDate
from ledger.evidence import EvidenceStore
from ledger.tests.servers import wait_until
from palimpsest.contract.problems import Code
from service.app import create_app
from service.dispatch import RecordingDispatch
from service.errors import STATUS
from service.settings import Settings
from service.tests.conftest import Bench, Served

Asked = Callable[..., dict[str, Any]]


@pytest.fixture
def described(bench: Bench) -> dict[str, Any]:
    """The OpenAPI document."""
    document: dict[str, Any] = bench.client.get("/openapi.json").json()
    return document


def operations(described: dict[str, Any]) -> list[dict[str, Any]]:
    """All of them."""
    return [operation for path in described["paths"].values() for operation in path.values()]


def test_every_refusal_is_described_as_a_problem(described: dict[str, Any]) -> None:
    """No FastAPI default is left, and every code but those of no route stands at some operation."""
    assert "ValidationError" not in json.dumps(described)
    told: set[str] = set()
    for operation in operations(described):
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"]
                codes = response["description"].replace("`", "").split(" · ")
                assert {STATUS[Code(code)].status for code in codes} == {int(status)}
                told |= set(codes)
    assert told == set(STATUS) - {Code.ROUTE_NOT_FOUND, Code.METHOD_NOT_ALLOWED}


def test_the_links_of_an_accepted_audit_name_operations(described: dict[str, Any]) -> None:
    """A generated client can follow them."""
    links = described["paths"]["/v1/audits"]["post"]["responses"]["202"]["links"]
    known = {operation["operationId"] for operation in operations(described)}
    assert {link["operationId"] for link in links.values()} <= known


def test_the_key_is_described_as_required(described: dict[str, Any]) -> None:
    """And so is the body."""
    submit = described["paths"]["/v1/audits"]["post"]
    (key,) = [parameter for parameter in submit["parameters"] if parameter["name"] == "Idempotency-Key"]
    assert key["required"]
    assert submit["requestBody"]["required"]


def test_a_ledger_that_is_not_this_machines_own_is_not_upgraded(settings: Settings) -> None:
    """Where upgrading is somebody's decision, the gateway refuses to start on an old schema."""
    elsewhere = Settings(home=settings.home, ledger_url="postgresql://elsewhere/palimpsest")
    ledger = Ledger(f"sqlite:///{settings.home}/old.sqlite")
    evidence = EvidenceStore(settings.evidence)
    with pytest.raises(SchemaOutOfDate):
        create_app(elsewhere, ledger=ledger, evidence=evidence, dispatch=RecordingDispatch())
    ledger.close()


def test_a_frozen_broker_does_not_delay_the_answer(
    bench: Bench, asked: Asked, served: Callable[..., Served], frozen: str
) -> None:
    """Two audits on one connection are accepted before the broker is given up; the log is JSON and has no prompts."""
    gateway = served(PALIMPSEST_BROKER_URL=frozen)
    with httpx.Client(base_url=gateway.url) as client:
        for seed in range(2):
            started = time.monotonic()
            key = {"Idempotency-Key": f"key-0000-0000-000{seed}"}
            assert client.post("/v1/audits", json=asked(seed=seed), headers=key).status_code == 202
            assert time.monotonic() - started < 3
    assert bench.count("outbox") == 2
    wait_until(lambda: "/v1/audits" in gateway.log.read_text(), "the line of a submission")
    lines = [json.loads(line) for line in gateway.log.read_text().splitlines()]
    assert {line["route"] for line in lines if line["event"] == "request"} >= {"/healthz", "/v1/audits"}
    assert "a cat on a mat" not in gateway.log.read_text()
