"""Units: one holder at a time, and a late write of a lost worker changes nothing."""

from collections.abc import Callable

import pytest
from sqlalchemy.exc import StatementError

from ledger import schema, units
from ledger.errors import StaleFence
from ledger.evidence import Kept
from ledger.tests.driver import TENANT, Driver, report, stage
from ledger.tests.processes import at_once
from ledger.units import MOST_ATTEMPTS

LATE_WRITES: dict[str, Callable[[Driver, units.Ticket], object]] = {
    "renew": lambda drive, ticket: drive.renew(ticket),
    "finish": lambda drive, ticket: drive.finish(ticket, Kept("late", "image", "c" * 64, "image/png", 1)),
    "plan": lambda drive, ticket: drive.finish(ticket, planned=[stage("late", 1)]),
    "fail": lambda drive, ticket: drive.fail(ticket, again=False),
    "retry": lambda drive, ticket: drive.fail(ticket, again=True),
    "give_back": lambda drive, ticket: drive.give_back(ticket),
    "abandon": lambda drive, ticket: drive.abandon(ticket),
}


def baseline(drive: Driver, size: int = 1, *, critical: bool = False) -> str:
    """A running audit of one stage and a report; its messages are published."""
    audit_id = drive.planned(stage("baseline", size, "plan", critical=critical), report("baseline"))
    drive.publish()
    return audit_id


def test_an_audit_from_its_submission_to_its_report(drive: Driver) -> None:
    """Plan, work, report: every end releases the next, and the report concludes."""
    audit_id = drive.submit()
    planning = drive.claim(audit_id, "plan")
    drive.finish(planning, planned=[stage("baseline", 2, "plan"), report("baseline")])
    assert drive.states(audit_id) == {"plan": ["done"], "baseline": ["queued"] * 2, "report": ["waiting"]}
    drive.finish(drive.claim(audit_id, "baseline", 1))
    assert drive.states(audit_id)["report"] == ["waiting"]
    drive.finish(drive.claim(audit_id, "baseline", 0))
    drive.finish(drive.claim(audit_id, "report"))
    assert drive.audit(audit_id).state == "succeeded"
    assert drive.history(audit_id) == [
        "audit.queued", "audit.running", "unit.started", "unit.done", "unit.started", "unit.done",
        "unit.started", "unit.done", "unit.started", "unit.done", "audit.succeeded",
    ]  # fmt: skip
    assert [m.attempt for m in drive.publish()] == [1, 1, 1, 1]


def test_a_ticket_says_what_to_do(drive: Driver) -> None:
    """First claim: attempt 1 under fence 1, with the unit's place and payload."""
    audit_id = baseline(drive, 2)
    unit = drive.unit(audit_id, "baseline", 1)
    assert drive.claim(audit_id, "baseline", 1) == units.Ticket(
        TENANT, audit_id, unit.id, "baseline", 1, "work", {"item": 1}, attempt=1, fence=1
    )


def test_a_held_unit_cannot_be_claimed_and_a_lapsed_one_can(drive: Driver) -> None:
    """Redelivering the message of a held unit gives nothing; after the lease, attempt 2 under fence 2."""
    audit_id = baseline(drive)
    unit_id = drive.unit(audit_id, "baseline").id
    assert drive.try_claim(unit_id, lease=60) is not None
    before = drive.everything()
    assert drive.try_claim(unit_id) is None
    assert drive.everything() == before
    other = baseline(drive)
    drive.claim(other, "baseline", lease=-1)
    again = drive.claim(other, "baseline")
    assert (again.attempt, again.fence) == (2, 2)


def test_waiting_ended_and_unknown_units_cannot_be_claimed(drive: Driver) -> None:
    """Only queued work can be taken; a stale message changes nothing."""
    audit_id = baseline(drive)
    before = drive.everything()
    assert drive.try_claim(drive.unit(audit_id, "report").id) is None
    assert drive.try_claim(drive.unit(audit_id, "plan").id) is None
    assert drive.try_claim("unit_unknown") is None
    assert drive.everything() == before


def test_an_audit_belongs_to_the_engine_that_began_it(drive: Driver) -> None:
    """Another engine gets nothing, but for the report of an audit that is being cancelled."""
    audit_id = baseline(drive)
    unit_id = drive.unit(audit_id, "baseline").id
    assert drive.try_claim(unit_id, engine="engine-2") is None
    assert drive.audit(audit_id).engine == "engine-1"
    drive.cancel(audit_id)
    assert drive.try_claim(drive.unit(audit_id, "report").id, engine="engine-2") is not None


def test_renewing_extends_the_lease_and_notes_progress(drive: Driver) -> None:
    """A lapsed lease that its holder renews first stays with its holder."""
    audit_id = baseline(drive)
    ticket = drive.claim(audit_id, "baseline", lease=-1)
    assert drive.renew(ticket, progress=0.25)
    assert drive.expire_leases() == 0
    assert drive.unit(audit_id, "baseline").progress == 0.25


def test_a_renewal_tells_of_cancelling(drive: Driver) -> None:
    """True while the audit runs, False once it is being cancelled; the lease holds either way."""
    audit_id = baseline(drive)
    ticket = drive.claim(audit_id, "baseline")
    assert drive.renew(ticket)
    drive.cancel(audit_id)
    assert not drive.renew(ticket)
    drive.abandon(ticket)
    assert drive.states(audit_id)["baseline"] == ["cancelled"]


def test_nothing_is_renewed_past_the_hard_deadline(drive: Driver) -> None:
    """A unit that makes progress for ever is lost all the same."""
    audit_id = baseline(drive)
    ticket = drive.claim(audit_id, "baseline", lease=-1, hard=-1)
    before = drive.everything()
    with pytest.raises(StaleFence):
        drive.renew(ticket)
    assert drive.everything() == before
    assert drive.expire_leases() == 1


@pytest.mark.parametrize("write", LATE_WRITES)
@pytest.mark.parametrize("then", ["taken", "queued", "ended"])
def test_a_late_write_changes_nothing(drive: Driver, write: str, then: str) -> None:
    """Whatever became of the unit, its former holder gets StaleFence and no table differs."""
    audit_id = baseline(drive)
    late = drive.claim(audit_id, "baseline", lease=-1)
    if then == "queued":
        drive.expire_leases()
    else:
        holder = drive.claim(audit_id, "baseline")
        if then == "ended":
            drive.finish(holder)
    before = drive.everything()
    with pytest.raises(StaleFence):
        LATE_WRITES[write](drive, late)
    assert drive.everything() == before


def test_finishing_is_all_or_nothing(drive: Driver) -> None:
    """A plan that cannot be written takes the result, the evidence and the event with it."""
    audit_id = drive.submit()
    planning = drive.claim(audit_id, "plan")
    before = drive.everything()
    with pytest.raises(ValueError, match="nowhere"):
        drive.finish(planning, Kept("plan", "plan", "c" * 64, "text/plain", 1), planned=[report("nowhere")])
    assert drive.everything() == before


def test_a_result_that_is_not_json_is_refused(drive: Driver) -> None:
    """NaN would pass on SQLite and fail on PostgreSQL: it fails on both."""
    ticket = drive.claim(baseline(drive), "baseline")
    with pytest.raises((StatementError, ValueError), match="JSON"), drive.ledger.writing() as connection:
        units.finish(connection, ticket, {"loss": float("nan")}, [])


def test_a_lost_unit_is_tried_again_up_to_the_cap(drive: Driver) -> None:
    """Three leases lapse: queued, queued, failed with WORKER_LOST; the audit goes on without it."""
    audit_id = baseline(drive)
    for attempt in (1, 2):
        assert drive.claim(audit_id, "baseline", lease=-1).attempt == attempt
        assert drive.expire_leases() == 1
        assert [m.attempt for m in drive.publish()] == [attempt + 1]
    assert drive.claim(audit_id, "baseline", lease=-1).attempt == MOST_ATTEMPTS
    assert drive.try_claim(drive.unit(audit_id, "baseline").id) is None
    assert (drive.expire_leases(), drive.expire_leases()) == (1, 0)
    unit = drive.unit(audit_id, "baseline")
    assert (unit.state, unit.error, unit.attempt) == ("failed", "WORKER_LOST", 3)
    assert drive.history(audit_id)[-1] == "unit.failed"
    assert drive.states(audit_id)["report"] == ["queued"]
    assert drive.audit(audit_id).state == "running"


def test_a_lease_that_a_set_clock_ended_costs_no_attempt(drive: Driver) -> None:
    """Run out longer ago than any sweeper sleeps: queued again and again, always as attempt 1; late writes fail."""
    audit_id = baseline(drive)
    for fence in range(1, MOST_ATTEMPTS + 2):
        ticket = drive.claim(audit_id, "baseline", lease=-units.UNSEEN_SECONDS - 1)
        assert (ticket.attempt, ticket.fence) == (1, fence)
        assert drive.expire_leases() == 1
        with pytest.raises(StaleFence):
            drive.finish(ticket)
    unit = drive.unit(audit_id, "baseline")
    assert (unit.state, unit.attempt, unit.fence) == ("queued", 0, MOST_ATTEMPTS + 1)


def test_a_live_lease_is_left_alone(drive: Driver) -> None:
    """The sweeper touches nothing that is held."""
    drive.claim(baseline(drive), "baseline", lease=60)
    before = drive.everything()
    assert drive.expire_leases() == 0
    assert drive.everything() == before


def test_leases_expire_in_batches(drive: Driver) -> None:
    """Of three lapsed leases a look limited to two takes two, the next one the third."""
    audit_id = baseline(drive, 3)
    for ordinal in range(3):
        drive.claim(audit_id, "baseline", ordinal, lease=-1)
    found = []
    for _ in range(3):
        with drive.ledger.writing() as connection:
            found.append(units.expire_leases(connection, limit=2))
    assert found == [2, 1, 0]


def test_a_failure_worth_another_try_is_tried_up_to_the_cap(drive: Driver) -> None:
    """again=True on attempts 1 and 2 queues the unit; on attempt 3 it ends with its code."""
    audit_id = baseline(drive)
    for state in ("queued", "queued", "failed"):
        drive.fail(drive.claim(audit_id, "baseline"), again=True)
        assert drive.unit(audit_id, "baseline").state == state
    assert drive.unit(audit_id, "baseline").error == "OUT_OF_MEMORY"
    assert [m.attempt for m in drive.publish()] == [2, 3, 1]
    assert drive.history(audit_id).count("unit.retried") == 2


def test_a_failure_not_worth_another_try_ends_the_unit_only(drive: Driver) -> None:
    """An uncritical unit fails at once; the audit goes on."""
    audit_id = baseline(drive)
    drive.fail(drive.claim(audit_id, "baseline"), again=False)
    assert drive.states(audit_id) == {"plan": ["done"], "baseline": ["failed"], "report": ["queued"]}
    assert drive.audit(audit_id).state == "running"


def test_a_critical_failure_ends_the_audit_and_everything_of_it(drive: Driver) -> None:
    """Queued, waiting and held units end with it, the held one's late result is refused, nothing is announced."""
    audit_id = baseline(drive, 3, critical=True)
    held, failing = drive.claim(audit_id, "baseline", 0), drive.claim(audit_id, "baseline", 1)
    drive.fail(failing, again=False)
    assert drive.states(audit_id) == {
        "plan": ["done"],
        "baseline": ["cancelled", "failed", "cancelled"],
        "report": ["cancelled"],
    }
    audit = drive.audit(audit_id)
    assert (audit.state, audit.outcome, audit.error, audit.detail) == (
        "failed", "error", "OUT_OF_MEMORY", "64 MB short",
    )  # fmt: skip
    assert drive.history(audit_id)[-2:] == ["unit.failed", "audit.failed"]
    with pytest.raises(StaleFence):
        drive.finish(held)
    assert drive.publish() == []
    assert drive.expire_leases() == 0


def test_a_report_is_tried_again_while_its_audit_is_cancelling(drive: Driver) -> None:
    """It is the only way out of cancelling; after the cap the audit has failed."""
    audit_id = drive.submit()
    drive.cancel(audit_id)
    drive.fail(drive.claim(audit_id, "report"), again=True)
    drive.give_back(drive.claim(audit_id, "report"))
    drive.claim(audit_id, "report", lease=-1)
    drive.expire_leases()
    assert drive.states(audit_id)["report"] == ["queued"]
    drive.fail(drive.claim(audit_id, "report"), again=True)
    assert drive.audit(audit_id).state == "failed"


def test_a_unit_given_back_has_not_been_tried(drive: Driver) -> None:
    """Ten shutdowns do not use up three attempts; each claim has a higher fence."""
    audit_id = baseline(drive)
    for fence in range(1, 11):
        ticket = drive.claim(audit_id, "baseline")
        assert (ticket.attempt, ticket.fence) == (1, fence)
        drive.give_back(ticket)
        assert [m.attempt for m in drive.publish()] == [1]


@pytest.mark.parametrize("leave", ["give_back", "retry", "lapse"])
def test_nothing_is_queued_again_for_an_audit_that_is_being_cancelled(drive: Driver, leave: str) -> None:
    """However its holder leaves it, the unit ends and the report is released."""
    audit_id = baseline(drive)
    ticket = drive.claim(audit_id, "baseline", lease=-1)
    drive.cancel(audit_id)
    assert drive.try_claim(ticket.unit_id) is None
    if leave == "lapse":
        assert drive.expire_leases() == 1
    else:
        LATE_WRITES[leave](drive, ticket)
    assert drive.states(audit_id)["baseline"] == ["failed" if leave == "retry" else "cancelled"]
    assert drive.states(audit_id)["report"] == ["queued"]


def test_a_report_ends_whatever_its_plan_forgot(drive: Driver) -> None:
    """An ended audit has no open unit, even if the report did not wait for it."""
    audit_id = drive.planned(stage("forgotten", 1, "plan"), report("plan"))
    drive.finish(drive.claim(audit_id, "report"))
    assert drive.audit(audit_id).state == "succeeded"
    assert drive.states(audit_id)["forgotten"] == ["cancelled"]


def claim_each(url: str, unit_ids: list[str]) -> list[str]:
    """What one process gets of these units."""
    drive = Driver.open(url)
    return [unit_id for unit_id in unit_ids if drive.try_claim(unit_id) is not None]


def test_of_two_processes_one_gets_each_unit(drive: Driver, url: str) -> None:
    """Both reach for the same twenty units at the same moment: twenty leases, none twice."""
    audit_id = baseline(drive, 20)
    unit_ids = [unit.id for unit in drive.units(audit_id) if unit.stage == "baseline"]
    first, second = at_once(claim_each, url, unit_ids)
    assert sorted(first + second) == sorted(unit_ids)
    assert {(u.state, u.fence) for u in drive.units(audit_id) if u.stage == "baseline"} == {("leased", 1)}


def finish_each(url: str, audit_id: str, ordinals: list[int]) -> None:
    """One worker's half of a stage."""
    drive = Driver.open(url)
    for ordinal in ordinals:
        drive.finish(drive.claim(audit_id, "baseline", ordinal))


def test_of_two_processes_one_releases_what_follows(drive: Driver, url: str) -> None:
    """Each ends half a stage of ten; the report is queued by the last of them and announced once."""
    audit_id = baseline(drive, 10)
    halves = ([0, 1, 2, 3, 4], [5, 6, 7, 8, 9])
    at_once(finish_each, url, audit_id, each=halves)
    assert drive.states(audit_id)["baseline"] == ["done"] * 10
    assert [m.unit_id for m in drive.publish()] == [drive.unit(audit_id, "report").id]
    assert len([row for row in drive.rows(schema.events) if row.type == "unit.done"]) == 11
