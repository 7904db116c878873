"""The graph of stages: each is released once, when everything before it has closed."""

import pytest
from sqlalchemy import select

from ledger import schema
from ledger.tests.driver import Driver, report, stage


def counts(drive: Driver, audit_id: str) -> dict[str, tuple[int, int]]:
    """(blockers, remaining) of each stage."""
    chosen = select(schema.stages).where(schema.stages.c.audit_id == audit_id)
    with drive.ledger.reading() as connection:
        return {row.name: (row.blockers, row.remaining) for row in connection.execute(chosen)}


def work_off(drive: Driver, audit_id: str, name: str, size: int) -> None:
    """Finish every unit of a stage."""
    for ordinal in range(size):
        drive.finish(drive.claim(audit_id, name, ordinal))


def test_barriers_are_per_mitigation(drive: Driver) -> None:
    """The probes of one mitigation begin when its artifact exists, whatever the other does."""
    audit_id = drive.planned(
        stage("nemo", 1, "plan"),
        stage("wanda", 1, "plan"),
        stage("probe nemo", 2, "nemo"),
        stage("probe wanda", 2, "wanda"),
        report("probe nemo", "probe wanda"),
    )
    work_off(drive, audit_id, "nemo", 1)
    states = drive.states(audit_id)
    assert (states["probe nemo"], states["probe wanda"]) == (["queued"] * 2, ["waiting"] * 2)
    work_off(drive, audit_id, "probe nemo", 2)
    assert counts(drive, audit_id)["report"] == (1, 1)
    work_off(drive, audit_id, "wanda", 1)
    work_off(drive, audit_id, "probe wanda", 2)
    assert drive.states(audit_id)["report"] == ["queued"]


def test_a_stage_waits_for_all_its_blockers_and_is_announced_once(drive: Driver) -> None:
    """a and b → c: 2 blockers, 1, 0; its one unit is rung at the last."""
    audit_id = drive.planned(stage("a", 1), stage("b", 1), stage("c", 1, "a", "b"))
    drive.publish()
    assert counts(drive, audit_id)["c"] == (2, 1)
    work_off(drive, audit_id, "a", 1)
    assert counts(drive, audit_id)["c"] == (1, 1)
    assert drive.publish() == []
    work_off(drive, audit_id, "b", 1)
    assert counts(drive, audit_id)["c"] == (0, 1)
    assert [m.unit_id for m in drive.publish()] == [drive.unit(audit_id, "c").id]


def test_a_stage_that_waits_for_nothing_is_released_at_once(drive: Driver) -> None:
    """It does not wait for the unit that plans it."""
    audit_id = drive.submit()
    planning = drive.claim(audit_id, "plan")
    drive.publish()
    drive.finish(planning, planned=[stage("free", 2), stage("bound", 1, "free")])
    assert drive.states(audit_id) == {"plan": ["done"], "free": ["queued"] * 2, "bound": ["waiting"]}
    free = [drive.unit(audit_id, "free", n).id for n in (0, 1)]
    assert [m.unit_id for m in drive.publish()] == free


def test_an_empty_stage_that_waits_for_nothing_is_closed_at_once(drive: Driver) -> None:
    """What follows it is released in the same breath, also over two empty stages in a row."""
    audit_id = drive.planned(stage("empty", 0), stage("too", 0, "empty"), report("too"))
    assert counts(drive, audit_id) == {"plan": (0, 0), "empty": (0, 0), "too": (0, 0), "report": (0, 1)}
    assert drive.states(audit_id)["report"] == ["queued"]


def test_an_empty_stage_behind_an_open_one_is_open(drive: Driver) -> None:
    """work → empty → report: the report waits for the work, through the empty stage."""
    audit_id = drive.planned(stage("work", 1), stage("empty", 0, "work"), report("empty"))
    assert counts(drive, audit_id)["report"] == (1, 1)
    work_off(drive, audit_id, "work", 1)
    assert counts(drive, audit_id)["report"] == (0, 1)
    assert drive.states(audit_id)["report"] == ["queued"]


def test_a_plan_of_empty_stages_only_still_reports(drive: Driver) -> None:
    """plan → empty → report, where the plan itself is the last to close."""
    audit_id = drive.planned(stage("empty", 0, "plan"), report("plan", "empty"))
    assert drive.states(audit_id)["report"] == ["queued"]


def test_a_stage_emptied_while_blocked_closes_only_when_its_blocker_does(drive: Driver) -> None:
    """
    a (held) → b → c, and c waits for a, b: cancelling empties b at once, but c's blockers stay 2 until a ends,
    then a closes, b closes behind it, and c falls by exactly 2
    """
    audit_id = drive.planned(stage("a", 1), stage("b", 2, "a"), report("a", "b"))
    held = drive.claim(audit_id, "a")
    drive.cancel(audit_id)
    assert counts(drive, audit_id) == {"plan": (0, 0), "a": (0, 1), "b": (1, 0), "report": (2, 1)}
    drive.abandon(held)
    assert counts(drive, audit_id) == {"plan": (0, 0), "a": (0, 0), "b": (0, 0), "report": (0, 1)}


def test_planning_goes_on_in_batches(drive: Driver) -> None:
    """A later batch waits for stages of an earlier one, open or closed, and its ordinals go on counting."""
    audit_id = drive.planned(stage("a", 1), stage("plan-2", 1, kind="plan"))
    work_off(drive, audit_id, "a", 1)
    drive.finish(drive.claim(audit_id, "plan-2"), planned=[stage("b", 1, "a", "plan-2"), report("a", "b")])
    assert counts(drive, audit_id)["report"] == (1, 1)
    assert drive.states(audit_id)["b"] == ["queued"]
    with drive.ledger.reading() as connection:
        ordinals = select(schema.stages.c.name).order_by(schema.stages.c.ordinal)
        assert list(connection.execute(ordinals).scalars()) == ["plan", "a", "plan-2", "b", "report"]


def test_a_later_batch_waits_for_an_empty_stage_that_is_still_blocked(drive: Driver) -> None:
    """work → empty, planned first; the report behind the empty stage, planned later, waits for the work."""
    audit_id = drive.planned(stage("work", 1), stage("empty", 0, "work"), stage("plan-2", 1, kind="plan"))
    drive.finish(drive.claim(audit_id, "plan-2"), planned=[report("empty")])
    assert counts(drive, audit_id)["report"] == (1, 1)
    work_off(drive, audit_id, "work", 1)
    assert drive.states(audit_id)["report"] == ["queued"]


@pytest.mark.parametrize("after", ["nowhere", "later", "itself"])
def test_a_stage_can_only_wait_for_one_planned_before_it(drive: Driver, after: str) -> None:
    """Unknown, later and own names are refused, so that no audit can wait for ever."""
    planning = drive.claim(drive.submit(), "plan")
    with pytest.raises(ValueError, match=f"'itself' waits for \\['{after}'\\]"):
        drive.finish(planning, planned=[stage("itself", 1, after), stage("later", 1)])


def test_failed_and_cancelled_units_close_a_stage_like_done_ones(drive: Driver) -> None:
    """A stage is closed when nothing of it is open, however it ended."""
    audit_id = drive.planned(stage("a", 2), report("a"))
    drive.fail(drive.claim(audit_id, "a", 0), again=False)
    drive.abandon(drive.claim(audit_id, "a", 1))
    assert drive.states(audit_id)["report"] == ["queued"]
