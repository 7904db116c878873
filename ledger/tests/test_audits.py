"""Audits: accepted once, seen by their tenant only, ended exactly once."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from ledger import audits, intake, schema
from ledger.database import Ledger
from ledger.errors import AlreadyTerminal, KeyReused, NotFound
from ledger.evidence import Kept
from ledger.tests.driver import TENANT, Driver, report, stage


def submit(ledger: Ledger, submission: audits.Submission, tenant: str = TENANT) -> audits.Accepted:
    """What the gateway is told."""
    with ledger.writing() as connection:
        return intake.submit(connection, tenant, submission)


def test_submitting_leaves_an_audit_a_plan_unit_a_message_and_an_event(drive: Driver) -> None:
    """One transaction writes all that is needed for a worker to begin."""
    audit_id = drive.submit(labels={"team": "red"}, request={"model": "bundled", "seed": 7})
    audit = drive.audit(audit_id)
    assert (audit.state, audit.labels, audit.request["seed"]) == ("queued", {"team": "red"}, 7)
    assert audit.stages == [audits.StageRow("plan", done=0, failed=0, total=1, fraction=0.0)]
    plan = drive.unit(audit_id, "plan")
    assert (plan.kind, plan.state) == ("plan", "queued")
    assert [(m.tenant, m.audit_id, m.unit_id, m.attempt) for m in drive.publish()] == [(TENANT, audit_id, plan.id, 1)]
    assert drive.history(audit_id) == ["audit.queued"]


def test_a_submission_that_fails_half_way_leaves_nothing(drive: Driver) -> None:
    """An exception after everything is written takes everything back."""
    before = drive.everything()
    with drive.crashing() as connection:
        intake.submit(connection, TENANT, drive.submission())
    assert drive.everything() == before


def test_the_same_key_answers_with_the_same_audit(drive: Driver) -> None:
    """A replay creates nothing, also when it would not reuse."""
    submission = drive.submission()
    first, second = submit(drive.ledger, submission), submit(drive.ledger, submission)
    assert (first.replayed, second.replayed, second.reused) == (False, True, False)
    assert first.audit_id == second.audit_id
    assert len(drive.rows(schema.audits)) == 1


def test_a_key_belongs_to_its_request(drive: Driver) -> None:
    """Another request under a used key is refused and leaves nothing."""
    submission = drive.submission()
    submit(drive.ledger, submission)
    before = drive.everything()
    with pytest.raises(KeyReused):
        submit(drive.ledger, replace(submission, fingerprint="another"))
    assert drive.everything() == before


def test_keys_of_two_tenants_never_meet(drive: Driver) -> None:
    """The same key and request of another tenant is another audit."""
    submission = drive.submission()
    first, second = submit(drive.ledger, submission), submit(drive.ledger, submission, tenant="other")
    assert first.audit_id != second.audit_id
    assert not second.replayed


def test_an_equal_request_reuses_a_succeeded_audit(drive: Driver) -> None:
    """Equal digest, new key: the finished audit answers, and again under the same key as a replay."""
    audit_id = drive.planned(report("plan"), request_digest="a" * 64)
    drive.finish(drive.claim(audit_id, "report"))
    again = drive.submission(request_digest="a" * 64, reuse=True)
    assert submit(drive.ledger, again) == audits.Accepted(audit_id, replayed=False, reused=True)
    assert submit(drive.ledger, again) == audits.Accepted(audit_id, replayed=True, reused=False)


@pytest.mark.parametrize("change", [{"reuse": False}, {"request_digest": "b" * 64}])
def test_nothing_else_is_reused(drive: Driver, change: dict[str, Any]) -> None:
    """A forced audit and a different request are audits of their own."""
    audit_id = drive.planned(report("plan"), request_digest="a" * 64)
    drive.finish(drive.claim(audit_id, "report"))
    plain: dict[str, Any] = {"request_digest": "a" * 64, "reuse": True}
    assert drive.submit(**(plain | change)) != audit_id


def test_neither_a_running_nor_another_tenants_audit_is_reused(drive: Driver) -> None:
    """Only an own audit that succeeded answers for another."""
    running = drive.planned(report("plan"), request_digest="a" * 64)
    assert drive.submit(request_digest="a" * 64, reuse=True) != running
    drive.finish(drive.claim(running, "report"))
    assert drive.submit("other", request_digest="a" * 64, reuse=True) != running


def test_another_tenants_audit_does_not_exist(drive: Driver) -> None:
    """Reading, cancelling and listing across tenants finds nothing."""
    audit_id = drive.submit()
    with pytest.raises(NotFound):
        drive.audit(audit_id, tenant="other")
    with pytest.raises(NotFound):
        drive.cancel(audit_id, tenant="other")
    with drive.ledger.reading() as connection:
        assert audits.page(connection, "other", limit=10) == []
        assert audits.results(connection, "other", audit_id) == []


def test_pages_are_newest_first_and_meet_without_overlap(drive: Driver) -> None:
    """Five audits in pages of two are 2 + 2 + 1, descending, each once."""
    ids = sorted((drive.submit() for _ in range(5)), reverse=True)
    pages: list[list[str]] = []
    before = None
    for _ in range(3):
        with drive.ledger.reading() as connection:
            pages.append([row.id for row in audits.page(connection, TENANT, limit=2, before=before)])
        before = pages[-1][-1]
    assert pages == [ids[:2], ids[2:4], ids[4:]]


def test_a_page_can_be_narrowed_and_carries_each_audits_own_stages(drive: Driver) -> None:
    """By state and by model; one page shows different progress for different audits."""
    waiting = drive.submit(model_id="m1")
    running = drive.planned(stage("baseline", 2, "plan"), report("baseline"), model_id="m2")
    with drive.ledger.reading() as connection:
        by_state = audits.page(connection, TENANT, limit=9, state="running")
        by_model = audits.page(connection, TENANT, limit=9, model_id="m1")
        every = {row.id: [s.name for s in row.stages] for row in audits.page(connection, TENANT, limit=9)}
    assert [row.id for row in by_state] == [running]
    assert [row.id for row in by_model] == [waiting]
    assert every == {waiting: ["plan"], running: ["plan", "baseline", "report"]}


def test_progress_counts_what_is_over_and_the_part_of_what_is_running(drive: Driver) -> None:
    """Of four units one done, one failed, one at 0.5, one waiting: (1 + 1 + 0.5 + 0) / 4 = 0.625."""
    audit_id = drive.planned(stage("probe", 4, "plan"), stage("empty", 0, "probe"), report("empty"))
    drive.finish(drive.claim(audit_id, "probe", 0))
    drive.fail(drive.claim(audit_id, "probe", 1), again=False)
    drive.renew(drive.claim(audit_id, "probe", 2), progress=0.5)
    plan, probe, empty, last = drive.audit(audit_id).stages
    assert plan == audits.StageRow("plan", done=1, failed=0, total=1, fraction=1.0)
    assert probe == audits.StageRow("probe", done=1, failed=1, total=4, fraction=0.625)
    assert empty == audits.StageRow("empty", done=0, failed=0, total=0, fraction=1.0)
    assert last.fraction == 0.0


def test_cancelled_units_are_over_but_not_done(drive: Driver) -> None:
    """Two units cancelled before they began: none done, none failed, nothing left to do."""
    audit_id = drive.planned(stage("probe", 2, "plan"), report("probe"))
    drive.cancel(audit_id)
    assert drive.audit(audit_id).stages[1] == audits.StageRow("probe", done=0, failed=0, total=2, fraction=1.0)


def test_a_lost_units_progress_is_lost(drive: Driver) -> None:
    """A unit queued again starts from nothing."""
    audit_id = drive.planned(stage("probe", 1, "plan"), report("probe"))
    drive.renew(drive.claim(audit_id, "probe"), lease=-1, progress=0.9)
    assert drive.expire_leases() == 1
    assert drive.audit(audit_id).stages[1].fraction == 0.0


def test_cancelled_before_it_began(drive: Driver) -> None:
    """The plan unit never runs; a report is planned, reports, and the audit is cancelled."""
    audit_id = drive.submit()
    drive.cancel(audit_id)
    assert drive.audit(audit_id).state == "cancelling"
    assert drive.states(audit_id) == {"plan": ["cancelled"], "report": ["queued"]}
    assert drive.try_claim(drive.unit(audit_id, "plan").id) is None
    drive.finish(drive.claim(audit_id, "report"))
    assert drive.audit(audit_id).state == "cancelled"
    assert drive.history(audit_id) == [
        "audit.queued", "audit.cancelling", "unit.started", "unit.done", "audit.cancelled",
    ]  # fmt: skip


def test_cancelled_while_planning(drive: Driver) -> None:
    """The plan that comes too late is not written down; its end releases the report, once."""
    audit_id = drive.submit()
    planning = drive.claim(audit_id, "plan")
    drive.cancel(audit_id)
    assert drive.states(audit_id) == {"plan": ["leased"], "report": ["waiting"]}
    assert not drive.renew(planning)
    drive.publish()
    drive.finish(planning, planned=[stage("baseline", 3, "plan"), report("baseline")])
    assert drive.states(audit_id) == {"plan": ["done"], "report": ["queued"]}
    assert [m.unit_id for m in drive.publish()] == [drive.unit(audit_id, "report").id]


def test_cancelled_while_planning_and_the_plan_fails(drive: Driver) -> None:
    """A critical unit that fails during cancelling does not turn the cancelled audit into a failed one."""
    audit_id = drive.submit()
    planning = drive.claim(audit_id, "plan")
    drive.cancel(audit_id)
    drive.fail(planning, again=True)
    assert drive.states(audit_id) == {"plan": ["failed"], "report": ["queued"]}
    drive.finish(drive.claim(audit_id, "report"))
    assert drive.audit(audit_id).state == "cancelled"


def test_cancelled_between_two_batches_of_planning(drive: Driver) -> None:
    """The report waits for what is planned so far, closed stages not counted."""
    audit_id = drive.planned(stage("baseline", 2, "plan"), stage("plan-2", 1, kind="plan"))
    running, planning = drive.claim(audit_id, "baseline", 0), drive.claim(audit_id, "plan-2")
    drive.cancel(audit_id)
    drive.finish(planning, planned=[report("baseline", "plan-2")])
    assert drive.states(audit_id)["report"] == ["waiting"]
    drive.abandon(running)
    assert drive.states(audit_id)["report"] == ["queued"]


def test_cancelled_before_any_of_a_chain_began(drive: Driver) -> None:
    """Closing the first stage releases nothing of the second, whose units are cancelled too."""
    audit_id = drive.planned(stage("a", 1, "plan"), stage("b", 1, "a"), stage("c", 1, "b"), report("a", "b", "c"))
    drive.publish()
    drive.cancel(audit_id)
    states = drive.states(audit_id)
    assert (states["a"], states["b"], states["c"], states["report"]) == (*[["cancelled"]] * 3, ["queued"])
    assert [m.unit_id for m in drive.publish()] == [drive.unit(audit_id, "report").id]


def test_cancelled_in_the_middle_of_a_chain_the_report_waits_for_the_last_running_unit(drive: Driver) -> None:
    """
    baseline [done, leased] → mitigate ×2 → probe ×2 → report: cancelling empties mitigate and probe, yet nothing
    behind baseline counts as closed before its running unit stops; then the report is released once
    """
    audit_id = drive.planned(
        stage("baseline", 2, "plan"),
        stage("mitigate", 2, "baseline"),
        stage("probe", 2, "mitigate"),
        report("baseline", "mitigate", "probe"),
    )
    drive.finish(drive.claim(audit_id, "baseline", 0))
    running = drive.claim(audit_id, "baseline", 1)
    drive.publish()
    drive.cancel(audit_id)
    assert drive.states(audit_id) == {
        "plan": ["done"],
        "baseline": ["done", "leased"],
        "mitigate": ["cancelled"] * 2,
        "probe": ["cancelled"] * 2,
        "report": ["waiting"],
    }
    assert drive.publish() == []
    drive.abandon(running)
    assert drive.states(audit_id)["report"] == ["queued"]
    assert len(drive.publish()) == 1
    drive.finish(drive.claim(audit_id, "report"))
    assert drive.audit(audit_id).state == "cancelled"


def test_cancelled_while_reporting(drive: Driver) -> None:
    """The report is not interrupted, and the audit ends cancelled as was asked."""
    audit_id = drive.planned(report("plan"))
    reporting = drive.claim(audit_id, "report")
    drive.cancel(audit_id)
    assert drive.renew(reporting)
    drive.finish(reporting)
    assert drive.audit(audit_id).state == "cancelled"


def test_cancelling_twice_is_cancelling_once(drive: Driver) -> None:
    """The second time changes nothing at all."""
    audit_id = drive.planned(stage("baseline", 1, "plan"), report("baseline"))
    drive.cancel(audit_id)
    before = drive.everything()
    drive.cancel(audit_id)
    assert drive.everything() == before


def test_an_ended_audit_cannot_be_cancelled(drive: Driver) -> None:
    """It stays what it is."""
    audit_id = drive.planned(report("plan"))
    drive.finish(drive.claim(audit_id, "report"))
    before = drive.everything()
    with pytest.raises(AlreadyTerminal, match="succeeded"):
        drive.cancel(audit_id)
    assert drive.everything() == before


def test_an_overdue_audit_expires_through_a_partial_report(drive: Driver) -> None:
    """Of three audits only the one past its deadline winds down, once, and it ends expired."""
    overdue = drive.submit(deadline_seconds=-1)
    timely, unhurried = drive.submit(deadline_seconds=3600), drive.submit()
    assert (drive.expire_overdue(), drive.expire_overdue()) == (1, 0)
    assert [drive.audit(a).state for a in (overdue, timely, unhurried)] == ["cancelling", "queued", "queued"]
    drive.finish(drive.claim(overdue, "report"))
    assert drive.audit(overdue).state == "expired"


def test_an_audit_already_cancelled_does_not_expire(drive: Driver) -> None:
    """The first reason to stop is the one that counts."""
    audit_id = drive.submit(deadline_seconds=-1)
    drive.cancel(audit_id)
    assert drive.expire_overdue() == 0
    drive.finish(drive.claim(audit_id, "report"))
    assert drive.audit(audit_id).state == "cancelled"


def test_audits_that_are_ending_do_not_hold_up_the_others(drive: Driver) -> None:
    """A look limited to one audit finds the one still to be stopped, behind two that are being stopped already."""
    for _ in range(2):
        drive.submit(deadline_seconds=-1)
    assert drive.expire_overdue() == 2
    late = drive.submit(deadline_seconds=-1)
    with drive.ledger.writing() as connection:
        assert audits.expire_overdue(connection, limit=1) == 1
    assert drive.audit(late).state == "cancelling"


def test_conclusion_and_times_stand_in_the_audit(drive: Driver) -> None:
    """Outcome and digests come from the report; created ≤ started ≤ finished."""
    audit_id = drive.planned(report("plan"))
    drive.finish(drive.claim(audit_id, "report"))
    audit = drive.audit(audit_id)
    assert (audit.state, audit.outcome, audit.engine) == ("succeeded", "finding", "engine-1")
    assert (audit.result_digest, audit.report_digest) == ("r" * 64, "e" * 64)
    assert audit.started_at is not None
    assert audit.finished_at is not None
    assert audit.created_at <= audit.started_at <= audit.finished_at


def test_results_come_in_the_order_of_the_plan(drive: Driver) -> None:
    """Stage by stage as planned, not by name; each with its payload, state, result and error."""
    audit_id = drive.planned(stage("z-first", 2, "plan"), stage("a-second", 1, "z-first"), report("a-second"))
    drive.fail(drive.claim(audit_id, "z-first", 1), again=False)
    drive.finish(drive.claim(audit_id, "z-first", 0))
    with drive.ledger.reading() as connection:
        found = audits.results(connection, TENANT, audit_id)
        one_stage = audits.results(connection, TENANT, audit_id, stage="z-first")
    assert [(r.stage, r.ordinal, r.state) for r in found] == [
        ("plan", 0, "done"),
        ("z-first", 0, "done"),
        ("z-first", 1, "failed"),
        ("a-second", 0, "queued"),
        ("report", 0, "waiting"),
    ]
    assert one_stage == found[1:3]
    assert (one_stage[0].payload, one_stage[0].result, one_stage[0].error) == ({"item": 0}, {"n": 0}, None)
    assert (one_stage[1].result, one_stage[1].error) == (None, "OUT_OF_MEMORY")


def test_evidence_is_listed_with_its_kind_and_type(drive: Driver) -> None:
    """Finishing a unit records the blobs it kept."""
    audit_id = drive.planned(stage("baseline", 1, "plan"), report("baseline"))
    image = Kept("image-0", "image", "c" * 64, "image/png", 3_000_000_000)
    drive.finish(drive.claim(audit_id, "baseline"), image)
    with drive.ledger.reading() as connection:
        assert audits.evidence_of(connection, TENANT, audit_id) == [("image", "c" * 64, "image/png")]
        assert audits.evidence_of(connection, "other", audit_id) == []
    assert drive.rows(schema.evidence)[0].size == 3_000_000_000


def test_one_piece_of_evidence_is_there_as_long_as_a_unit_holds_it(drive: Driver) -> None:
    """Two units kept the same embedding; it is gone when both their times are over, and is nobody else's."""
    audit_id = drive.planned(stage("baseline", 2, "plan"), report("baseline"))
    embedding = Kept("y", "embedding", "d" * 64, "application/vnd.safetensors", 100)
    for ordinal in range(2):
        drive.finish(drive.claim(audit_id, "baseline", ordinal), embedding)
    first, second = [row.unit_id for row in drive.rows(schema.evidence)]

    def seen(tenant: str = TENANT, digest: str = "d" * 64) -> tuple[str, bool] | None:
        with drive.ledger.reading() as connection:
            return audits.exhibit(connection, tenant, audit_id, digest)

    for unit, removed in (("nobody", False), (first, False), (second, True)):
        with drive.ledger.writing() as connection:
            its = schema.evidence.c.unit_id == unit
            connection.execute(update(schema.evidence).where(its).values(removed_at=1.0))
        assert seen() == ("application/vnd.safetensors", removed)
    assert (seen(tenant="other"), seen(digest="e" * 64)) == (None, None)
