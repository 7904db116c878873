"""What an operator watches, read from the rows."""

import pytest

from ledger import catalogue, gauges, units, workers
from ledger.database import Ledger
from ledger.gauges import Level, Moment
from ledger.tests.driver import Driver, report, stage


def level(ledger: Ledger) -> Level:
    """How it stands now."""
    with ledger.reading() as connection:
        return gauges.level(connection)


def since(ledger: Ledger, at: float) -> list[Moment]:
    """What has happened after a moment."""
    with ledger.reading() as connection:
        return gauges.since(connection, at)


def publish(ledger: Ledger, model: str, family: str) -> None:
    """Be a worker that offers one model of a family."""
    with ledger.writing() as connection:
        catalogue.publish(connection, "local", engine="e", cards=[{"id": model, "family": family}], method_cards=[])


def loads(ledger: Ledger) -> dict[tuple[str, str, str], int]:
    """Units by tenant, family and state."""
    return {(load.tenant, load.family, load.state): load.units for load in level(ledger).loads}


def test_nothing_waits_in_an_empty_ledger(ledger: Ledger) -> None:
    """Zeros, and no series of a tenant that is not there."""
    found = level(ledger)
    assert (found.loads, found.audits, found.workers) == ([], {}, {})
    assert (found.overdue, found.messages, found.message_age) == (0, 0, 0.0)


def test_units_are_counted_by_tenant_family_and_state(ledger: Ledger, drive: Driver) -> None:
    """Three queued and one waiting, then one of the three is leased; another tenant has its plan queued."""
    publish(ledger, "bundled", "toy")
    audit = drive.planned(stage("baseline", 3), report("baseline"))
    drive.submit("other")
    queued = {("local", "toy", "queued"): 3, ("local", "toy", "waiting"): 1, ("other", "toy", "queued"): 1}
    assert loads(ledger) == queued
    drive.claim(audit, "baseline")
    assert loads(ledger) == queued | {("local", "toy", "queued"): 2, ("local", "toy", "leased"): 1}
    assert level(ledger).audits == {("local", "running"): 1, ("other", "queued"): 1}


def test_workers_are_counted_by_the_families_they_serve(ledger: Ledger) -> None:
    """A worker of two families counts for both; one that was last seen two minutes ago for none."""
    with ledger.writing() as connection:
        workers.seen(connection, "local", owner="a", engine="e", families=["sd", "toy"])
        workers.seen(connection, "other", owner="b", engine="e", families=["sd"])
        workers.seen(connection, "local", owner="c", engine="e", families=["sdxl"])
        connection.exec_driver_sql("UPDATE workers SET seen_at = seen_at - 120 WHERE owner = 'c'")
    assert level(ledger).workers == {"sd": 2, "toy": 1}


def test_ages_are_those_of_what_waits(ledger: Ledger, drive: Driver) -> None:
    """The oldest queued unit and the oldest message, in seconds by the database's clock; what is leased has no age."""
    audit = drive.submit()
    [load] = level(ledger).loads
    assert 0 <= load.age < 60
    assert level(ledger).messages == 1
    assert 0 <= level(ledger).message_age < 60
    drive.publish()
    drive.claim(audit, "plan")
    [load] = level(ledger).loads
    assert (load.state, load.age) == ("leased", 0.0)
    assert (level(ledger).messages, level(ledger).message_age) == (0, 0.0)


def test_a_lease_that_ran_out_is_overdue_until_it_is_taken_back(ledger: Ledger, drive: Driver) -> None:
    """So an overdue lease that stays says that nobody sweeps."""
    audit = drive.submit()
    drive.claim(audit, "plan", lease=-1)
    assert level(ledger).overdue == 1
    drive.expire_leases()
    assert level(ledger).overdue == 0


def test_what_ended_is_told_once_with_its_durations(ledger: Ledger, drive: Driver) -> None:
    """One unit after another: done, given back, lost, failed; each with its kind, those with a code with it."""
    before = level(ledger).at
    audit = drive.planned(stage("baseline", 2), report("baseline"))
    drive.give_back(drive.claim(audit, "baseline", 0))
    drive.claim(audit, "baseline", 0, lease=-1)
    drive.expire_leases()
    drive.fail(drive.claim(audit, "baseline", 1), again=True)
    drive.fail(drive.claim(audit, "baseline", 1), again=False)
    told = since(ledger, before)
    assert [(moment.type, moment.kind, moment.code) for moment in told] == [
        ("unit.done", "plan", None),
        ("unit.returned", "work", None),
        ("unit.lost", "work", None),
        ("unit.retried", "work", "OUT_OF_MEMORY"),
        ("unit.failed", "work", "OUT_OF_MEMORY"),
    ]
    done = told[0]
    assert done.waited is not None
    assert done.seconds is not None
    assert min(done.waited, done.seconds) >= 0
    assert len({moment.key for moment in told}) == 5
    assert since(ledger, told[-1].at) == []


def test_an_audit_ends_with_its_outcome(ledger: Ledger, drive: Driver) -> None:
    """Its event has no unit."""
    audit = drive.planned(report("plan"))
    before = level(ledger).at
    drive.finish(drive.claim(audit, "report"))
    [ended] = [moment for moment in since(ledger, before) if moment.type.startswith("audit.")]
    assert (ended.type, ended.outcome, ended.kind) == ("audit.succeeded", "finding", None)


@pytest.mark.parametrize("inside", ["cost", "record"])
def test_sample_forwards_are_read_from_the_result(ledger: Ledger, drive: Driver, inside: str) -> None:
    """A probe states its cost at the top, a mitigation in its record."""
    before = level(ledger).at
    ticket = drive.claim(drive.submit(), "plan")
    cost = {"unet_sample_forwards": 70, "unet_sample_forwards_with_gradient": 20, "seconds": 1.0}
    with ledger.writing() as connection:
        units.finish(connection, ticket, {"cost": cost} if inside == "cost" else {"record": {"cost": cost}}, [])
    [done] = since(ledger, before)
    assert (done.forwards, done.gradients) == (70, 20)
