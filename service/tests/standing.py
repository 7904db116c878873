"""A gateway in a process of its own; worker and sweeper are played, so that audits end at once, as they are told."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from ledger import catalogue, units
from ledger.database import Ledger
from ledger.evidence import EvidenceStore
from ledger.stages import StagePlan, UnitPlan
from ledger.tests.servers import free_port
from ledger.units import Conclusion
from palimpsest.contract.report import AuditReport
from palimpsest.tests.renderings.keys import KEY
from service import children
from service.opening import opened
from service.renderer import Renderer
from service.settings import Settings
from service.tests.cards import method_cards, model_card
from service.up import ROOT, gateway

ENGINE = "engine-1"
REPORT = StagePlan("report", [UnitPlan("report", {}, critical=True)], after=["plan"])
Answering = Callable[[dict[str, Any]], AuditReport]


@contextmanager
def standing(home: Path, answering: Answering, **card: Any) -> Iterator[str]:
    """The gateway's address, until the context ends. ``answering`` makes the report of a request."""
    settings = Settings(home=home, port=free_port())
    ledger, store = opened(settings), EvidenceStore(settings.evidence)
    with ledger.writing() as connection:
        cards = [model_card(**card)]
        catalogue.publish(connection, "local", engine=ENGINE, cards=cards, method_cards=method_cards())
    told = {**os.environ, "PYTHONPATH": str(ROOT), "PALIMPSEST_HOME": str(home), "PALIMPSEST_PORT": str(settings.port)}
    child = children.start("gateway", gateway(settings), environment=told, log=home / "gateway.log")
    ended = threading.Event()
    playing = threading.Thread(target=play, args=(ledger, store, answering, ended))
    playing.start()
    try:
        await_answer(child, f"http://127.0.0.1:{settings.port}")
        yield f"http://127.0.0.1:{settings.port}"
    finally:
        ended.set()
        playing.join()
        children.stop([child])
        ledger.close()


def await_answer(child: children.Child, url: str) -> None:
    """Return when the gateway answers."""
    ends = time.monotonic() + 120
    while time.monotonic() < ends and child.exit_code is None:
        try:
            httpx.get(f"{url}/healthz").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(child.tail())


def play(ledger: Ledger, store: EvidenceStore, answering: Answering, ended: threading.Event) -> None:
    """Plan every audit as a report, write the report, render it."""
    renderer = Renderer(ledger, store, KEY, limit=2**22)
    while not ended.wait(0.05):
        with ledger.writing() as connection:
            ticket = units.claim_next(
                connection, owner="played", engine=ENGINE, families=None, lease_seconds=60, hard_seconds=600
            )
        if ticket is None:
            renderer.render()
        elif ticket.kind == "plan":
            with ledger.writing() as connection:
                units.finish(connection, ticket, {}, [], planned=[REPORT])
        else:
            write(ledger, store, ticket, answering)


def write(ledger: Ledger, store: EvidenceStore, ticket: units.Ticket, answering: Answering) -> None:
    """Perform a report unit."""
    with ledger.reading() as connection:
        row = connection.exec_driver_sql("SELECT request FROM audits WHERE id = ?", (ticket.audit_id,)).one()
    request = row.request if isinstance(row.request, dict) else json.loads(row.request)
    report = answering(request).model_copy(update={"audit_id": ticket.audit_id, "request": request})
    content = report.model_dump_json().encode()
    kept = store.put("local", content, name="report", kind="report", media_type="application/json")
    with ledger.writing() as connection:
        conclusion = Conclusion(outcome=report.summary.outcome, result_digest="e" * 64, report_digest=kept.digest)
        units.finish(connection, ticket, {}, [kept], conclusion=conclusion)
