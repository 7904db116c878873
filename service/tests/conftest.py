"""A gateway over a real SQLite ledger and a real evidence folder, a recording broker, and a worker played by hand."""

import base64
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from starlette.testclient import TestClient

from ledger import catalogue, units
from ledger.database import Ledger
from ledger.evidence import EvidenceStore
from ledger.outbox import Message
from ledger.stages import StagePlan, UnitPlan
from ledger.units import Conclusion, Ticket
from service import children
from service.app import create_app
from service.dispatch import RecordingDispatch, empty_outbox
from service.settings import Settings
from service.tests.cards import method_cards, model_card
from service.up import ROOT, gateway


@dataclass
class Bench:
    """The gateway under test and everything around it."""

    settings: Settings
    ledger: Ledger
    evidence: EvidenceStore
    dispatch: RecordingDispatch
    client: TestClient

    def publish(
        self,
        *,
        engine: str = "engine-1",
        methods: list[dict[str, Any]] | None = None,
        others: list[dict[str, Any]] | None = None,
        **changes: Any,
    ) -> None:
        """Be a worker that has inspected one model, and perhaps others."""
        with self.ledger.writing() as connection:
            cards = [model_card(**changes), *(others or [])]
            catalogue.publish(connection, "local", engine=engine, cards=cards, method_cards=methods or method_cards())

    def post(self, body: Any, key: str = "key-0000-0000-0001", query: str = "", **headers: str) -> Any:
        """POST /v1/audits."""
        sent = {"Idempotency-Key": key, "Content-Type": "application/json", **headers}
        content = body if isinstance(body, bytes) else json.dumps(body)
        return self.client.post(f"/v1/audits{query}", content=content, headers=sent)

    def submitted(self, body: Any, key: str = "key-0000-0000-0001") -> str:
        """The id of a new audit."""
        answer = self.post(body, key)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def count(self, table: str = "audits") -> int:
        """Rows of a table."""
        with self.ledger.reading() as connection:
            return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())

    def claim(self, message: Message) -> Ticket:
        """Be a worker that heard the doorbell."""
        with self.ledger.writing() as connection:
            ticket = units.claim(
                connection,
                message.tenant,
                message.unit_id,
                owner="bench",
                engine="engine-1",
                lease_seconds=60,
                hard_seconds=600,
            )
        assert ticket is not None
        return ticket

    def ring(self) -> list[Message]:
        """Announce what is waiting; everything announced so far."""
        empty_outbox(self.ledger, self.dispatch, batch=100, seconds=60)
        return self.dispatch.published

    def plan(self, *stages: StagePlan) -> None:
        """Perform the planning unit that was announced last."""
        ticket = self.claim(self.dispatch.published[-1])
        with self.ledger.writing() as connection:
            units.finish(connection, ticket, {}, [], planned=list(stages))

    def conclude(self, report: bytes) -> None:
        """Plan nothing but the report, and write it."""
        self.plan(StagePlan("report", [UnitPlan("report", {}, critical=True)], after=["plan"]))
        self.write_report(report)

    def write_report(self, report: bytes) -> None:
        """Perform the report unit that is waiting."""
        ticket = self.claim(self.ring()[-1])
        kept = self.evidence.put("local", report, name="report", kind="report", media_type="application/json")
        with self.ledger.writing() as connection:
            conclusion = Conclusion(outcome="finding", result_digest="e" * 64, report_digest=kept.digest)
            units.finish(connection, ticket, {}, [kept], conclusion=conclusion)

    def fail(self, code: str) -> None:
        """Fail the planning unit that was announced last, and with it the audit."""
        ticket = self.claim(self.dispatch.published[-1])
        with self.ledger.writing() as connection:
            units.fail(connection, ticket, code=code, detail="it did not work", again=False)


@dataclass(frozen=True)
class Served:
    """A gateway in a process of its own."""

    url: str
    log: Path
    process: children.Child

    def lives(self) -> bool:
        """Whether it answers."""
        try:
            return httpx.get(f"{self.url}/healthz").status_code == 200
        except httpx.TransportError:
            return False


def on_this_machine(app: Any, **options: Any) -> TestClient:
    """A client that asks from and to a loopback address, which needs no key before there is one."""
    return TestClient(app, base_url="http://127.0.0.1:8000", client=("127.0.0.1", 50000), **options)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Everything under a folder of this test's own, a small limit on bodies, and messages claimed for a moment only."""
    return Settings(home=tmp_path, body_limit=2**20, publish_seconds=0.05)


@pytest.fixture
def empty(settings: Settings) -> Iterator[Bench]:
    """A gateway before any worker has said what it can do."""
    ledger = Ledger(settings.ledger)
    evidence = EvidenceStore(settings.evidence)
    dispatch = RecordingDispatch()
    app = create_app(settings, ledger=ledger, evidence=evidence, dispatch=dispatch)
    with on_this_machine(app, raise_server_exceptions=False) as client:
        yield Bench(settings, ledger, evidence, dispatch, client)
    ledger.close()


@pytest.fixture
def bench(empty: Bench) -> Bench:
    """A gateway that knows one model and every method."""
    empty.publish()
    return empty


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """Makes the bytes of a small picture."""

    def make(format: str = "PNG", size: tuple[int, int] = (8, 8), color: str = "red", **options: Any) -> bytes:
        file = BytesIO()
        Image.new("RGB", size, color).save(file, format, **options)
        return file.getvalue()

    return make


@pytest.fixture
def inline(picture: Callable[..., bytes]) -> Callable[..., dict[str, str]]:
    """Makes an image as a request carries it."""

    def make(content: bytes | None = None, media_type: str = "image/png") -> dict[str, str]:
        data = picture() if content is None else content
        return {"media_type": media_type, "base64": base64.b64encode(data).decode()}

    return make


@pytest.fixture
def asked(inline: Callable[..., dict[str, str]]) -> Callable[..., dict[str, Any]]:
    """Makes a request that would be accepted, but for the changes; a change to None leaves the field out."""

    def make(**changes: Any) -> dict[str, Any]:
        targets = [{"id": "cat", "prompt": "a cat on a mat", "images": [inline()]}]
        whole = {"model": "bundled", "targets": targets, "mitigations": [{"kind": "wanda"}], **changes}
        return {field: value for field, value in whole.items() if value is not None}

    return make


@pytest.fixture
def frozen() -> Iterator[str]:
    """The address of a broker that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.fixture
def port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def served(bench: Bench, port: int, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts the gateway as a process of its own, on the bench's ledger."""
    running: list[children.Child] = []

    def serve(**environment: str) -> Served:
        told = {"PALIMPSEST_HOME": str(tmp_path), "PALIMPSEST_PORT": str(port), "PYTHONPATH": str(ROOT), **environment}
        log = tmp_path / "gateway.log"
        process = children.start("gateway", gateway(Settings(port=port)), environment={**os.environ, **told}, log=log)
        running.append(process)
        answers = Served(f"http://127.0.0.1:{port}", log, process)
        ends = time.monotonic() + 120
        while time.monotonic() < ends and process.exit_code is None and not answers.lives():
            time.sleep(0.1)
        assert answers.lives(), process.tail()
        return answers

    yield serve
    children.stop(running)
