"""A doorbell rings: claim the unit whose turn it is, let its station perform it, write down what came out; and again.

Whichever unit a bell names, the fairest is taken, and then the next, until nothing is left. Expected failures are
results with a code; a lost lease, a cancelled audit or a worker that is leaving ends the unit quietly.
"""

import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import structlog

from ledger import catalogue, outbox, units
from ledger.database import UNREACHABLE
from ledger.errors import EvidenceCorrupt, EvidenceMissing, StaleFence
from ledger.outbox import Message
from ledger.units import Ticket
from worker.cards import method_cards, model_card
from worker.engine.errors import Cancelled, EngineError, ModelRefused
from worker.evidence import EvidenceAway
from worker.heartbeat import Heartbeat
from worker.job import Outcome
from worker.lease import Lease
from worker.observability import performed
from worker.presence import Presence
from worker.settings import WorkerSettings
from worker.stations import STATIONS
from worker.workshop import Workshop

log = structlog.get_logger()

AGAIN_SECONDS = 1.0
"""Between two tries to reach the ledger."""

_at_hand: list[Workshop] = []
_until_the_end = ExitStack()


def open_workshop(settings: WorkerSettings) -> None:
    """Once per process: open the workshop and publish its catalogue."""
    workshop = Workshop.open(settings)
    Heartbeat(settings.heartbeat).rest()
    publish(workshop, catalogue.HOME)
    _at_hand[:] = [workshop]


def publish(workshop: Workshop, tenant: str) -> None:
    """Tell the gateway what this worker offers. Raises the last refusal when no model is left."""
    cards = inspected(workshop)
    methods = [card.model_dump(mode="json") for card in method_cards()]
    with workshop.ledger.writing() as connection:
        catalogue.publish(connection, tenant, engine=workshop.engine, cards=cards, method_cards=methods)


def inspected(workshop: Workshop) -> list[dict[str, Any]]:
    """The cards of its models; one that is refused is offered no longer. Raises ModelRefused when none is left."""
    cards = []
    for registration in list(workshop.registrations.values()):
        try:
            cards.append(model_card(workshop, registration).model_dump(mode="json"))
        except ModelRefused as error:
            log.error("model.refused", registration=str(registration.file), code=error.code, detail=str(error))
            del workshop.registrations[registration.id]
            if not workshop.registrations:
                raise
    return cards


def be_present() -> None:
    """From now on, and until the process takes its leave, the ledger knows that this worker is there."""
    [workshop] = _at_hand
    _until_the_end.enter_context(
        Presence(
            workshop.ledger,
            catalogue.HOME,
            owner=workshop.owner,
            engine=workshop.engine,
            families=workshop.families,
            seconds=workshop.settings.presence_seconds,
        )
    )


def take_leave() -> None:
    """The process ends."""
    _until_the_end.close()


def answer(ring_on: Callable[[], None], announce: Callable[[Message], None], leaving: Callable[[], bool]) -> None:
    """Perform unit after unit until nothing is left; what the end of one releases is announced at once.

    A worker that is leaving, or that has been at it for its turn (a unit at least), rings on, so that the bell is not
    lost with it.
    """
    [workshop] = _at_hand
    ends = time.monotonic() + workshop.settings.turn_seconds
    while not leaving():
        try:
            ticket = claim(workshop)
        except UNREACHABLE:
            time.sleep(AGAIN_SECONDS)
        else:
            if ticket is None:
                return
            perform(workshop, ticket, leaving)
            tell(workshop, announce)
        if time.monotonic() >= ends:
            break
    try:
        ring_on()
    except OSError as error:
        log.warning("left to the sweeper", cause=type(error).__name__)


def claim(workshop: Workshop) -> Ticket | None:
    """The unit whose turn it is, of those this worker can perform."""
    with workshop.ledger.writing() as connection:
        return units.claim_next(
            connection,
            owner=workshop.owner,
            engine=workshop.engine,
            families=workshop.families,
            lease_seconds=workshop.settings.lease_seconds,
            hard_seconds=workshop.settings.hard_seconds,
        )


def tell(workshop: Workshop, announce: Callable[[Message], None]) -> None:
    """Tell the broker what may be claimed now; the sweeper makes good what cannot be told."""
    try:
        outbox.empty(workshop.ledger, announce, batch=100, seconds=10.0)
    except (OSError, *UNREACHABLE) as error:
        log.warning("left to the sweeper", cause=type(error).__name__)


def perform(workshop: Workshop, ticket: Ticket, leaving: Callable[[], bool] = lambda: False) -> None:
    """One unit under its lease, and one canonical log line."""
    settings, heartbeat = workshop.settings, Heartbeat(workshop.settings.heartbeat)
    lease = Lease(
        workshop.ledger,
        ticket,
        settings.lease_seconds,
        soft_seconds=settings.soft_seconds,
        leaving=leaving,
        advanced=heartbeat.advance,
    )
    with performed(workshop.ledger, ticket) as line:
        line.ended = _performed(workshop, ticket, lease)
        line.forwards, line.steps = lease.forwards, lease.steps or None
    heartbeat.rest()


def _performed(workshop: Workshop, ticket: Ticket, lease: Lease) -> str:
    """How the unit ended: done, cancelled, lost, returned, or its code."""
    ended = "done"
    try:
        with lease, workshop.watched(lease.tick):
            outcome = STATIONS[ticket.kind](workshop, ticket, lease)
        finish(workshop, ticket, outcome)
    except Cancelled:
        ended = "returned" if lease.returned else "lost" if lease.lost else abandon(workshop, ticket)
    except StaleFence:
        ended = "returned" if lease.returned else "lost"
    except (EvidenceAway, *UNREACHABLE) as error:
        ended = give_back(workshop, ticket, type(error).__name__)
    except (EngineError, EvidenceMissing, EvidenceCorrupt) as error:
        ended = getattr(error, "code", "EVIDENCE_UNREADABLE")
        fail(workshop, ticket, ended, str(error), again=getattr(error, "again", False))
    except Exception as error:  # noqa: BLE001  a bug in one unit must not take the others with it
        ended = "INTERNAL_ERROR"
        log.error("unit.crashed", unit=ticket.unit_id, traceback=traceback.format_exc())
        fail(workshop, ticket, ended, type(error).__name__, again=True)
    return ended


class NotKept(EngineError):
    """A blob that the unit has put into the store was being collected at that moment."""

    code = "EVIDENCE_UNREADABLE"
    again = True


def finish(workshop: Workshop, ticket: Ticket, outcome: Outcome) -> None:
    """Result, evidence, plan and conclusion in one transaction. Raises NotKept or StaleFence."""

    def write() -> None:
        with workshop.ledger.writing() as connection:
            units.finish(
                connection,
                ticket,
                outcome.result,
                outcome.kept,
                planned=outcome.planned,
                conclusion=outcome.conclusion,
            )

    try:
        patiently(workshop, write)
    except EvidenceMissing as error:
        raise NotKept(str(error)) from error


def abandon(workshop: Workshop, ticket: Ticket) -> str:
    """The audit is being cancelled: end the unit, unless the lease has passed on meanwhile."""
    try:
        with workshop.ledger.writing() as connection:
            units.abandon(connection, ticket)
    except (StaleFence, *UNREACHABLE):
        return "lost"
    return "cancelled"


def give_back(workshop: Workshop, ticket: Ticket, cause: str) -> str:
    """Ledger or evidence could not be reached, which is not the unit's fault: the unit is queued as it was."""
    log.warning("unit.unreachable", unit=ticket.unit_id, cause=cause)

    def write() -> None:
        with workshop.ledger.writing() as connection:
            units.give_back(connection, ticket)

    try:
        patiently(workshop, write)
    except (StaleFence, *UNREACHABLE):
        return "lost"
    return "returned"


def fail(workshop: Workshop, ticket: Ticket, code: str, detail: str, *, again: bool) -> None:
    """Record the failure, unless the lease has passed on meanwhile."""

    def write() -> None:
        with workshop.ledger.writing() as connection:
            units.fail(connection, ticket, code=code, detail=detail, again=again)

    try:
        patiently(workshop, write)
    except (StaleFence, *UNREACHABLE):
        log.warning("unit.lost", unit=ticket.unit_id)


def patiently(workshop: Workshop, write: Callable[[], None]) -> None:
    """Try again while the ledger cannot be reached, for half the time a lease lasts; then raise what came last."""
    ends = time.monotonic() + workshop.settings.lease_seconds / 2
    while True:
        try:
            return write()
        except UNREACHABLE:
            if time.monotonic() > ends:
                raise
            time.sleep(AGAIN_SECONDS)
