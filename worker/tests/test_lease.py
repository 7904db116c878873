"""Holding a unit, with real time and a real ledger."""

import threading
import time

import pytest

from ledger import units
from ledger.units import Ticket
from worker.engine.errors import Cancelled
from worker.lease import Lease, TimedOut
from worker.tests.shop import Shop

SETS = {"target_set": "tiny:targets"}


def claimed(shop: Shop, *, lease: float, hard: float = 600) -> Ticket:
    """A planning unit under a lease."""
    shop.submit(SETS)
    [message] = shop.messages()
    return shop.claim(message, lease=lease, hard=hard)


def lapsed(shop: Shop) -> int:
    """How many leases the sweeper takes back now."""
    with shop.workshop.ledger.writing() as connection:
        return units.expire_leases(connection)


def tick_until_stopped(lease: Lease, seconds: float = 10) -> bool:
    """Work on until the lease says to stop; whether it did."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        try:
            lease.tick(1)
        except Cancelled:
            return True
        time.sleep(0.01)
    return False


def test_progress_is_a_share_and_never_quite_one(shop: Shop) -> None:
    """0 before anything is expected, 5 of 20 is ¼, and 30 of 20 is .99. A tick of no rows is one step."""
    lease = Lease(shop.workshop.ledger, claimed(shop, lease=60), 60)
    assert lease.progress == 0
    lease.expected = 20
    for rows in (4, 0):
        lease.tick(rows)
    assert lease.progress == 0.25
    lease.tick(25)
    assert lease.progress == 0.99


def test_the_progress_of_a_training_is_its_steps(shop: Shop) -> None:
    """Rows tell nothing of a training's length: step 3 of 4 is ¾, the last .99; one that went on has taken two."""
    lease = Lease(shop.workshop.ledger, claimed(shop, lease=60), 60)
    lease.tick(100)
    assert (lease.progress, lease.steps) == (0, 0)
    lease.step(3, 4)
    assert lease.progress == 0.75
    lease.tick(100)
    assert lease.progress == 0.75
    lease.step(4, 4)
    assert (lease.progress, lease.steps) == (0.99, 2)


def test_a_lease_is_renewed_while_the_work_advances(shop: Shop) -> None:
    """A lease of 2 s, worked on for 3 s: nobody can take the unit."""
    with Lease(shop.workshop.ledger, claimed(shop, lease=2), 2) as lease:
        assert not tick_until_stopped(lease, 3)
        assert lapsed(shop) == 0
    assert not lease.lost


def test_a_lease_lapses_when_the_work_stands_still(shop: Shop) -> None:
    """Renewed once, a lease of .2 s is over after .6 s without a tick; then the work is told to stop."""
    with Lease(shop.workshop.ledger, claimed(shop, lease=0.2), 0.2) as lease:
        time.sleep(0.6)
        assert lapsed(shop) == 1
        assert tick_until_stopped(lease)
    assert lease.lost


def test_a_lease_is_kept_while_a_blob_is_written(shop: Shop) -> None:
    """A lease of .2 s and .6 s without a tick inside the block: nobody can take the unit; outside it lapses as ever."""
    with Lease(shop.workshop.ledger, claimed(shop, lease=0.2), 0.2) as lease:
        with lease.kept():
            time.sleep(0.6)
            assert lapsed(shop) == 0
        time.sleep(0.6)
        assert lapsed(shop) == 1


def test_a_cancelled_audit_stops_the_work(shop: Shop) -> None:
    """At the next renewal; the lease is not lost, so that the unit can be ended properly."""
    ticket = claimed(shop, lease=1)
    with Lease(shop.workshop.ledger, ticket, 1) as lease:
        shop.cancel(ticket.audit_id)
        assert tick_until_stopped(lease)
    assert not lease.lost


def test_no_unit_outlives_its_hard_deadline(shop: Shop) -> None:
    """However busy it is: after .3 s it is renewed no more."""
    with Lease(shop.workshop.ledger, claimed(shop, lease=1, hard=0.3), 1) as lease:
        assert tick_until_stopped(lease)
    assert lease.lost


def test_a_lease_outlives_a_ledger_that_is_away_for_a_moment(shop: Shop) -> None:
    """While the table is gone renewals fail; once it is back the lease is renewed again."""
    ledger = shop.workshop.ledger
    with Lease(ledger, claimed(shop, lease=2), 2) as lease:
        with ledger.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE units RENAME TO away")
        assert not tick_until_stopped(lease, 1)
        with ledger.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO units")
        assert not tick_until_stopped(lease, 2.5)
        assert lapsed(shop) == 0
    assert not lease.lost


def test_work_that_takes_too_long_is_stopped(shop: Shop) -> None:
    """Between two steps, once .2 s are over; the lease is still held, so that the failure can be written down."""
    with Lease(shop.workshop.ledger, claimed(shop, lease=60), 60, soft_seconds=0.2) as lease:
        lease.tick(1)
        time.sleep(0.25)
        with pytest.raises(TimedOut, match="not done after 0 s"):
            lease.tick(1)
    assert not lease.lost


def unit_of(shop: Shop, ticket: Ticket) -> tuple[str, int]:
    """State and attempts of a unit."""
    with shop.workshop.ledger.reading() as connection:
        row = connection.exec_driver_sql(f"SELECT state, attempt FROM units WHERE id = '{ticket.unit_id}'").one()
    return row.state, row.attempt


def test_a_worker_that_leaves_gives_the_unit_back_without_a_step(shop: Shop) -> None:
    """No step is taken at all: within a second the unit is queued, its attempt not counted, and the work is stopped."""
    ticket, leaving = claimed(shop, lease=60), threading.Event()
    with Lease(shop.workshop.ledger, ticket, 60, leaving=leaving.is_set) as lease:
        leaving.set()
        time.sleep(1)
        assert unit_of(shop, ticket) == ("queued", 0)
        with pytest.raises(Cancelled):
            lease.tick(1)
    assert (lease.returned, lease.lost) == (True, False)


def test_what_has_passed_to_somebody_else_cannot_be_given_back(shop: Shop) -> None:
    """The lease lapsed and the unit is another worker's: it stays so."""
    ticket = claimed(shop, lease=-1)
    lapsed(shop)
    [message] = shop.messages()
    second = shop.claim(message)
    with Lease(shop.workshop.ledger, ticket, 60, leaving=lambda: True) as lease:
        assert tick_until_stopped(lease)
    assert (lease.returned, lease.lost) == (False, True)
    assert (second.attempt, unit_of(shop, ticket)) == (2, ("leased", 2))


def test_whoever_watches_the_worker_hears_of_every_advance(shop: Shop) -> None:
    """While the work advances it is said again and again, even when the ledger is away; while it does not, never."""
    said: list[float] = []
    with Lease(
        shop.workshop.ledger, claimed(shop, lease=1), 1, advanced=lambda: said.append(time.monotonic())
    ) as lease:
        tick_until_stopped(lease, 1)
        advanced = len(said)
        time.sleep(1)
    assert advanced >= 2
    assert len(said) <= advanced + 1
    assert lease.forwards > 0


def test_an_exception_ends_the_thread(shop: Shop) -> None:
    """Whatever happens inside, nothing goes on renewing."""
    lease = Lease(shop.workshop.ledger, claimed(shop, lease=60), 60)
    with pytest.raises(ZeroDivisionError), lease:
        raise ZeroDivisionError
    assert not lease._thread.is_alive()
