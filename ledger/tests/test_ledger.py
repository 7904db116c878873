"""The whole ledger under any order of events: what holds after each of them, and that every audit comes to an end."""

from collections.abc import Callable
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from ledger import outbox, schema, units
from ledger.errors import AlreadyTerminal, StaleFence
from ledger.schema import TERMINAL_AUDITS
from ledger.stages import StagePlan
from ledger.tests.databases import Databases
from ledger.tests.driver import Driver, UnitRow, report, stage
from ledger.tests.promises import Promises

LEASES = st.sampled_from([60.0, -1.0])


@st.composite
def graphs(draw: st.DrawFn) -> list[StagePlan]:
    """Up to four stages of up to two units, some empty, some critical, each behind any before it; then the report."""
    names = ["plan"]
    found = []
    for n in range(draw(st.integers(0, 4))):
        after = draw(st.lists(st.sampled_from(names), unique=True))
        found.append(stage(f"s{n}", draw(st.integers(0, 2)), *after, critical=draw(st.integers(0, 4)) == 4))
        names.append(f"s{n}")
    return [*found, report(*names)]


class AnyOrder(RuleBasedStateMachine):
    """Gateways, workers and sweepers in any order, lost and repeated messages and late writes included."""

    audits = Bundle("audits")
    tickets = Bundle("tickets")

    databases: ClassVar[Databases]

    def __init__(self) -> None:
        super().__init__()
        self.url = self.databases.current()
        self.drive = Driver.open(self.url)
        self.promises = Promises(self.drive)

    def teardown(self) -> None:
        """Every story ends with all work done."""
        self._work_everything_off()
        self.drive.ledger.close()
        self.databases.drop(self.url)

    # What can happen.

    @rule(target=audits, deadline=st.sampled_from([None, None, -1.0]))
    def submit(self, deadline: float | None) -> str:
        """A gateway accepts an audit."""
        return self.drive.submit(deadline_seconds=deadline)

    @rule(target=tickets, audit=audits, pick=st.integers(0, 99), lease=LEASES)
    def deliver(self, audit: str, pick: int, lease: float) -> object:
        """A message arrives, for the first time or again, for a unit in whatever state."""
        everyone = self.drive.units(audit)
        unit = everyone[pick % len(everyone)]
        ticket = self.drive.try_claim(unit.id, lease=lease)
        if ticket is None:
            return multiple()
        assert unit.state in ("queued", "leased")
        assert ticket.fence == unit.fence + 1
        return ticket

    @rule(target=tickets, lease=LEASES)
    def take_a_turn(self, lease: float) -> object:
        """A worker hears a bell and asks whose turn it is: it gets something exactly when something is queued."""
        queued = {unit.id for unit in self.drive.units() if unit.state == "queued"}
        ticket = self.drive.claim_next(lease=lease)
        assert (ticket is not None) == bool(queued)
        if ticket is None:
            return multiple()
        assert ticket.unit_id in queued
        return ticket

    @rule(ticket=tickets, lease=LEASES)
    def renew(self, ticket: units.Ticket, lease: float) -> None:
        """A worker, still in charge or no longer, renews."""
        if self._in_charge(ticket):
            go_on = self.drive.renew(ticket, lease=lease)
            assert go_on == (ticket.kind == "report" or self.drive.audit(ticket.audit_id).state == "running")
        else:
            self._refused(ticket, "renew")

    @rule(ticket=tickets, graph=graphs())
    def finish(self, ticket: units.Ticket, graph: list[StagePlan]) -> None:
        """A worker writes its result."""
        if self._in_charge(ticket):
            self.drive.finish(ticket, planned=graph if ticket.kind == "plan" else None)
            assert self._unit(ticket).state == "done"
        else:
            self._refused(ticket, "finish")

    @rule(ticket=tickets, again=st.booleans())
    def fail(self, ticket: units.Ticket, again: bool) -> None:
        """A worker fails."""
        if self._in_charge(ticket):
            self.drive.fail(ticket, again=again)
            assert self._unit(ticket).state in (("queued", "failed") if again else ("failed",))
        else:
            self._refused(ticket, "fail")

    @rule(ticket=consumes(tickets))
    def shut_down(self, ticket: units.Ticket) -> None:
        """A worker leaves in good order."""
        if self._in_charge(ticket):
            self.drive.give_back(ticket)
        else:
            self._refused(ticket, "give_back")

    @rule(ticket=tickets)
    def look(self, ticket: units.Ticket) -> None:
        """A worker that is told to stop stops."""
        if self._in_charge(ticket) and not self.drive.renew(ticket):
            self.drive.abandon(ticket)
            assert self._unit(ticket).state == "cancelled"

    @rule(audit=audits)
    def cancel(self, audit: str) -> None:
        """A client asks to stop, at any time, as often as it likes."""
        state = self.drive.audit(audit).state
        if state in TERMINAL_AUDITS:
            with pytest.raises(AlreadyTerminal):
                self.drive.cancel(audit)
        else:
            self.drive.cancel(audit)
            assert self.drive.audit(audit).state == "cancelling"

    @rule()
    def sweep(self) -> None:
        """A sweeper expires what is over and announces what nobody claimed."""
        self.drive.expire_leases()
        self.drive.expire_overdue()
        with self.drive.ledger.writing() as connection:
            outbox.ring_again(connection, 0)

    @rule()
    def publish(self) -> None:
        """The messages go out."""
        self.drive.publish()

    # What always holds.

    @invariant()
    def every_promise_holds(self) -> None:
        """``ledger.tests.promises``, after every event."""
        self.promises.hold()

    # How it ends.

    def _work_everything_off(self) -> None:
        """With workers that neither fail nor get lost every audit ends: nothing is stuck, whatever went before."""
        held = {unit.id for unit in self.drive.units() if unit.state == "leased"}
        with self.drive.ledger.writing() as connection:
            lapsed = schema.units.update().where(schema.units.c.id.in_(held)).values(lease_expires_at=0.0)
            connection.execute(lapsed)
        self.drive.expire_leases()
        while queued := [unit for unit in self.drive.units() if unit.state == "queued"]:
            ticket = self.drive.try_claim(queued[0].id)
            assert ticket is not None
            self.drive.finish(ticket, planned=[stage("s", 1), report("s")] if ticket.kind == "plan" else None)
            self.every_promise_holds()
        for row in self.drive.rows(schema.audits):
            assert row.state in TERMINAL_AUDITS

    def _refused(self, ticket: units.Ticket, write: str) -> None:
        writes: dict[str, Callable[[], object]] = {
            "renew": lambda: self.drive.renew(ticket),
            "finish": lambda: self.drive.finish(ticket),
            "fail": lambda: self.drive.fail(ticket, again=True),
            "give_back": lambda: self.drive.give_back(ticket),
        }
        before = self.drive.everything()
        with pytest.raises(StaleFence):
            writes[write]()
        assert self.drive.everything() == before

    def _unit(self, ticket: units.Ticket) -> UnitRow:
        return self.drive.unit(ticket.audit_id, ticket.stage, ticket.ordinal)

    def _in_charge(self, ticket: units.Ticket) -> bool:
        unit = self._unit(ticket)
        return (unit.state, unit.fence) == ("leased", ticket.fence)


def test_in_any_order_the_record_is_sound_and_every_audit_ends(databases: Databases) -> None:
    """Twenty stories of up to thirty events each, shrunk to the shortest that breaks a promise."""

    class AnyOrderHere(AnyOrder):
        pass

    AnyOrderHere.databases = databases
    story = settings(
        max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(AnyOrderHere, settings=story)
