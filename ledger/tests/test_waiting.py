"""What an audit waits for, on both databases."""

import time

from ledger import catalogue, waiting, workers
from ledger.tests.driver import ENGINE, TENANT, Driver, report, stage
from ledger.waiting import Waiting


def worker(drive: Driver, owner: str = "w", *, engine: str = ENGINE, families: tuple[str, ...] = ("sd1",)) -> None:
    """A worker says that it is there."""
    with drive.ledger.writing() as connection:
        workers.seen(connection, TENANT, owner=owner, engine=engine, families=families)


def publish(drive: Driver, family: str = "sd1") -> None:
    """The model that audits ask for is of this family."""
    with drive.ledger.writing() as connection:
        cards = [{"id": "bundled", "family": family}]
        catalogue.publish(connection, TENANT, engine=ENGINE, cards=cards, method_cards=[])


def reason(drive: Driver, audit_id: str, live_seconds: float = 30) -> Waiting | None:
    """What it waits for now."""
    with drive.ledger.reading() as connection:
        return waiting.of(connection, TENANT, audit_id, live_seconds)


def test_without_a_worker_it_waits_for_one(drive: Driver) -> None:
    """Until one says that it is there; one that took its leave is not there."""
    audit_id = drive.submit()
    assert reason(drive, audit_id) == Waiting("NO_WORKER")
    worker(drive)
    assert reason(drive, audit_id) == Waiting("QUEUED", position=0)
    with drive.ledger.writing() as connection:
        workers.gone(connection, TENANT, owner="w")
    assert reason(drive, audit_id) == Waiting("NO_WORKER")


def test_a_worker_that_was_not_seen_for_long_is_not_there(drive: Driver) -> None:
    """Its last sign of life is .3 s old, and only those of the last .2 s count."""
    audit_id = drive.submit()
    worker(drive)
    time.sleep(0.3)
    assert reason(drive, audit_id) == Waiting("QUEUED", position=0)
    assert reason(drive, audit_id, live_seconds=0.2) == Waiting("NO_WORKER")


def test_it_waits_for_a_worker_of_its_family(drive: Driver) -> None:
    """Workers for sd1 are there, the model is a flux; one for both changes that."""
    publish(drive, "flux")
    audit_id = drive.submit()
    worker(drive)
    assert reason(drive, audit_id) == Waiting("NO_WORKER_FOR_FAMILY", family="flux")
    worker(drive, "both", families=("flux", "sd1"))
    assert reason(drive, audit_id) == Waiting("QUEUED", position=0)


def test_a_family_nobody_published_is_served_by_anyone(drive: Driver) -> None:
    """As it can be claimed by anyone."""
    audit_id = drive.submit()
    worker(drive, families=("flux",))
    assert reason(drive, audit_id) == Waiting("QUEUED", position=0)


def test_it_waits_for_the_engine_that_began_it(drive: Driver) -> None:
    """A new engine cannot go on with it; with a worker of the old one, or before it was begun, it merely waits."""
    publish(drive)
    begun = drive.planned(stage("probe", 1), report("probe"))
    fresh = drive.submit()
    worker(drive, engine="engine-2")
    assert reason(drive, begun) == Waiting("ENGINE_GONE", engine=ENGINE)
    assert reason(drive, fresh) == Waiting("QUEUED", position=0)
    worker(drive, "old")
    assert reason(drive, begun) == Waiting("QUEUED", position=0)


def test_while_a_unit_is_held_it_does_not_wait(drive: Driver) -> None:
    """Two units, one of them in hand; when that comes back, it waits again; at its end it does not."""
    publish(drive)
    worker(drive)
    audit_id = drive.planned(stage("probe", 2), report("probe"))
    ticket = drive.claim(audit_id, "probe")
    assert reason(drive, audit_id) is None
    drive.finish(ticket)
    assert reason(drive, audit_id) == Waiting("QUEUED", position=0)
    drive.finish(drive.claim(audit_id, "probe", 1))
    drive.finish(drive.claim(audit_id, "report"))
    assert reason(drive, audit_id) is None


def test_the_position_is_that_of_the_fair_order(drive: Driver) -> None:
    """Of three that were never served the first submitted goes first; one that was served goes last."""
    publish(drive)
    worker(drive)
    first, second, third = (drive.submit() for _ in range(3))
    served = drive.planned(stage("probe", 1), report("probe"))
    positions = {audit_id: reason(drive, audit_id) for audit_id in (first, second, third, served)}
    assert list(positions.values()) == [Waiting("QUEUED", position=n) for n in range(4)]
    order = [drive.claim_next(families=["sd1"]) for _ in range(4)]
    assert [ticket.audit_id for ticket in order if ticket] == [first, second, third, served]


def test_the_report_of_a_cancelled_audit_waits_for_anyone(drive: Driver) -> None:
    """Neither family nor engine matter any more."""
    publish(drive, "flux")
    audit_id = drive.planned(stage("probe", 1), report("probe"))
    worker(drive, engine="engine-2")
    assert reason(drive, audit_id) == Waiting("NO_WORKER_FOR_FAMILY", family="flux")
    drive.cancel(audit_id)
    assert reason(drive, audit_id) == Waiting("QUEUED", position=0)


def test_an_audit_of_another_tenant_is_none_of_ones_own(drive: Driver) -> None:
    """Asked for under another tenant there is nothing to say; its own tenant is told of the same workers as all."""
    audit_id = drive.submit("other")
    assert reason(drive, audit_id) is None
    worker(drive)
    with drive.ledger.reading() as connection:
        assert waiting.of(connection, "other", audit_id) == Waiting("QUEUED", position=0)
