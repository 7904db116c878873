"""A doorbell rings: claim the unit, let its station perform it, write down what came out.

Expected failures are results with a code; a lost lease or a cancelled audit ends the unit quietly.
"""

import os
import socket
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from ledger import catalogue, outbox, units
from ledger.database import UNREACHABLE
from ledger.errors import EvidenceCorrupt, EvidenceMissing, StaleFence
from ledger.outbox import Message
from ledger.units import Ticket
from worker.cards import method_cards, model_card
from worker.engine.errors import Cancelled, EngineError
from worker.lease import Lease
from worker.settings import WorkerSettings
from worker.stations import STATIONS, Outcome
from worker.workshop import Workshop

log = structlog.get_logger()
_at_hand: list[Workshop] = []


@dataclass(frozen=True)
class Doorbell:
    """The whole of a message: which unit may be claimed."""

    tenant: str
    audit: str
    unit: str
    attempt: int


def open_workshop(settings: WorkerSettings) -> None:
    """Once per process: open the workshop and publish its catalogue."""
    workshop = Workshop.open(settings)
    publish(workshop, "local")
    _at_hand[:] = [workshop]


def publish(workshop: Workshop, tenant: str) -> None:
    """Tell the gateway what this worker offers."""
    cards = [model_card(workshop, r).model_dump(mode="json") for r in workshop.registrations.values()]
    methods = [card.model_dump(mode="json") for card in method_cards()]
    with workshop.ledger.writing() as connection:
        catalogue.publish(connection, tenant, engine=workshop.engine, cards=cards, method_cards=methods)


def answer(doorbell: Doorbell) -> None:
    """Claim and perform; a unit that somebody else has, or that is done, is left alone."""
    [workshop] = _at_hand
    settings = workshop.settings
    with workshop.ledger.writing() as connection:
        ticket = units.claim(
            connection,
            doorbell.tenant,
            doorbell.unit,
            owner=f"{socket.gethostname()}:{os.getpid()}",
            engine=workshop.engine,
            lease_seconds=settings.lease_seconds,
            hard_seconds=settings.hard_seconds,
        )
    if ticket is not None:
        perform(workshop, ticket)


def announce(publish: Callable[[Message], None]) -> None:
    """Tell the broker what may be claimed now; the sweeper makes good what cannot be told."""
    [workshop] = _at_hand
    try:
        outbox.empty(workshop.ledger, publish, batch=100, seconds=10.0)
    except (OSError, *UNREACHABLE) as error:
        log.warning("left to the sweeper", cause=type(error).__name__)


def perform(workshop: Workshop, ticket: Ticket) -> None:
    """One unit under its lease, and one canonical log line."""
    started, ended = time.monotonic(), "done"
    try:
        with Lease(workshop.ledger, ticket, workshop.settings.lease_seconds) as lease:
            outcome = STATIONS[ticket.kind](workshop, ticket, lease)
        finish(workshop, ticket, outcome)
    except Cancelled:
        ended = "lost" if lease.lost else abandon(workshop, ticket)
    except StaleFence:
        ended = "lost"
    except (EngineError, EvidenceMissing, EvidenceCorrupt) as error:
        ended = getattr(error, "code", "EVIDENCE_UNREADABLE")
        fail(workshop, ticket, ended, str(error), again=getattr(error, "again", False))
    except Exception as error:  # noqa: BLE001  a bug in one unit must not take the others with it
        ended = "INTERNAL_ERROR"
        log.error("unit.crashed", unit=ticket.unit_id, traceback=traceback.format_exc())
        fail(workshop, ticket, ended, type(error).__name__, again=True)
    log.info(
        "unit",
        audit=ticket.audit_id,
        unit=ticket.unit_id,
        stage=ticket.stage,
        attempt=ticket.attempt,
        ended=ended,
        seconds=round(time.monotonic() - started, 3),
    )


def finish(workshop: Workshop, ticket: Ticket, outcome: Outcome) -> None:
    """Result, evidence, plan and conclusion in one transaction."""
    with workshop.ledger.writing() as connection:
        units.finish(
            connection,
            ticket,
            outcome.result,
            outcome.kept,
            planned=outcome.planned,
            conclusion=outcome.conclusion,
        )


def abandon(workshop: Workshop, ticket: Ticket) -> str:
    """The audit is being cancelled: end the unit, unless the lease has passed on meanwhile."""
    try:
        with workshop.ledger.writing() as connection:
            units.abandon(connection, ticket)
    except StaleFence:
        return "lost"
    return "cancelled"


def fail(workshop: Workshop, ticket: Ticket, code: str, detail: str, *, again: bool) -> None:
    """Record the failure, unless the lease has passed on meanwhile."""
    try:
        with workshop.ledger.writing() as connection:
            units.fail(connection, ticket, code=code, detail=detail, again=again)
    except StaleFence:
        log.warning("unit.lost", unit=ticket.unit_id)
