"""Answering bells, and what becomes of a unit when the worker leaves, or ledger, time or memory give out."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from worker import tasks
from worker.job import Outcome
from worker.tests.shop import REQUEST, TENANT, Shop

LONG: dict[str, object] = {
    "target_set": "tiny:targets",
    "probes": [{"kind": "adversarial_embedding", "steps": 1000, "batch_size": 8}],
}


def answered(shop: Shop, leaving: Callable[[], bool] = lambda: False) -> tuple[list[str], int]:
    """One bell: the stages of the units that were performed, in order, and how often it was rung on."""
    rung_on: list[int] = []
    with capture_logs() as lines:
        tasks.answer(lambda: rung_on.append(1), lambda message: None, leaving)
    return [line["stage"] for line in lines if line["event"] == "unit"], len(rung_on)


def test_a_doorbell_for_what_is_not_there_to_take_is_ignored(shop: Shop) -> None:
    """A unit that somebody holds is the only one there is: nothing happens, nothing is logged, nothing is rung on."""
    shop.submit(REQUEST)
    [message] = shop.messages()
    shop.claim(message)
    with capture_logs() as lines:
        assert answered(shop) == ([], 0)
    assert lines == []


def test_one_bell_is_answered_until_nothing_is_left(shop: Shop) -> None:
    """From plan to report, though only the plan rang; the last look finds nothing and the bell ends there."""
    audit_id = shop.submit(REQUEST)
    assert answered(shop) == (["plan", "baseline", "mitigate:wanda", "probe:wanda", "report"], 0)
    assert shop.row(audit_id).state == "succeeded"


def test_after_its_turn_a_worker_waits_for_the_next_bell(demo: Path, tmp_path: Path) -> None:
    """A turn of a microsecond is one unit; the bell is rung on for the others."""
    shop = Shop.open(demo, tmp_path / "home", turn_seconds=1e-6)
    shop.submit(REQUEST)
    assert answered(shop) == (["plan"], 1)
    shop.close()


def test_a_worker_that_is_leaving_begins_nothing(shop: Shop) -> None:
    """The bell is rung on for whoever stays; after a unit in whose course it is told to leave, likewise."""
    audit_id = shop.submit(REQUEST)
    assert answered(shop, lambda: True) == ([], 1)
    looks = iter([False, True])
    assert answered(shop, lambda: next(looks, True)) == (["plan"], 1)
    assert shop.states(audit_id)["baseline"] == [("queued", None)]


def test_a_worker_takes_only_families_it_serves(demo: Path, tmp_path: Path) -> None:
    """For flux alone there is nothing to do; for sd1 among others there is."""
    shop = Shop.open(demo, tmp_path / "home", families=["flux"])
    audit_id = shop.submit({"target_set": "tiny:targets", "probes": [{"kind": "prompt"}]})
    assert answered(shop) == ([], 0)
    shop.workshop.families = ["flux", "sd1"]
    assert answered(shop)[0][0] == "plan"
    assert shop.row(audit_id).state == "succeeded"
    shop.close()


def test_a_bell_outlives_a_ledger_that_is_away(shop: Shop) -> None:
    """While the table is gone the worker tries again, and then performs what there is."""
    shop.submit({"target_set": "tiny:targets", "probes": [{"kind": "prompt"}]})
    with away(shop, "units", seconds=1.5):
        assert answered(shop)[0] == ["plan", "baseline", "report"]


@contextmanager
def away(shop: Shop, table: str, seconds: float) -> Iterator[None]:
    """The ledger without one of its tables, for so long."""
    ledger = shop.workshop.ledger

    def rename(before: str, after: str) -> None:
        with ledger.writing() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {before} RENAME TO {after}")

    rename(table, "away")
    back = threading.Timer(seconds, rename, ("away", table))
    back.start()
    try:
        yield
    finally:
        back.join()


def test_a_ledger_that_is_away_is_not_the_units_fault(shop: Shop) -> None:
    """What it was asked cannot be read: once the ledger is back the unit is queued again, its attempt not counted."""
    shop.submit(REQUEST)
    [message] = shop.messages()
    ticket = shop.claim(message)
    with capture_logs() as lines, away(shop, "audits", seconds=1.5):
        tasks.perform(shop.workshop, ticket)
    assert [line["ended"] for line in lines if line["event"] == "unit"] == ["returned"]
    assert shop.claim(message).attempt == 1


def test_a_result_waits_for_a_ledger_that_is_away(shop: Shop) -> None:
    """The unit is finished a second and a half later, under the same lease."""
    audit_id = shop.submit(REQUEST)
    [message] = shop.messages()
    ticket = shop.claim(message)
    with away(shop, "units", seconds=1.5):
        tasks.finish(shop.workshop, ticket, Outcome(result={}))
    assert shop.states(audit_id)["plan"] == [("done", None)]


def test_a_blob_that_is_being_collected_is_put_again(shop: Shop) -> None:
    """The ledger refuses a result whose blob has just been removed, and the unit is tried again."""
    audit_id = shop.submit(REQUEST)
    [message] = shop.messages()
    ticket = shop.claim(message)
    kept = shop.workshop.evidence.put(TENANT, b"{}", name="x", kind="report", media_type="application/json")
    with shop.workshop.ledger.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO condemned (tenant_id, digest, condemned_at) VALUES (?, ?, 0)", (TENANT, kept.digest)
        )
        # As on PostgreSQL when the collector was first: what is to be spared is not there any more.
        connection.exec_driver_sql("CREATE TRIGGER first BEFORE DELETE ON condemned BEGIN SELECT RAISE(IGNORE); END")
    with pytest.raises(tasks.NotKept) as refused:
        tasks.finish(shop.workshop, ticket, Outcome(result={}, kept=[kept]))
    assert (refused.value.code, refused.value.again) == ("EVIDENCE_UNREADABLE", True)
    assert shop.states(audit_id)["plan"] == [("leased", None)]


def test_a_unit_that_takes_too_long_is_named(demo: Path, tmp_path: Path) -> None:
    """A search of 1000 steps and a limit of .3 s: UNIT_TIMED_OUT between two steps, three times, then reported."""
    shop = Shop.open(demo, tmp_path / "home", soft_seconds=0.3)
    audit_id = shop.submit(LONG)
    shop.work()
    assert shop.states(audit_id)["baseline"] == [("failed", "UNIT_TIMED_OUT")]
    assert shop.history(audit_id).count("unit.retried") == 2
    assert shop.report(audit_id).verdicts[0].reasons[0] == "missing: before: UNIT_TIMED_OUT"
    shop.close()


def test_a_worker_that_leaves_gives_its_unit_back(shop: Shop) -> None:
    """In the middle of a long search: the unit is queued as if it had not been begun, and somebody else performs it."""
    audit_id, [message] = shop.planned(LONG)
    ticket = shop.claim(message)
    leaves = time.monotonic() + 0.5
    with capture_logs() as lines:
        tasks.perform(shop.workshop, ticket, lambda: time.monotonic() > leaves)
    assert [(line["ended"], line["attempt"]) for line in lines] == [("returned", 1)]
    assert lines[0]["seconds"] < 5
    assert shop.states(audit_id)["baseline"] == [("queued", None)]
    assert shop.history(audit_id)[-1] == "unit.returned"
    again = shop.claim(message)
    assert (again.attempt, again.fence) == (1, 2)


def test_a_store_that_stays_away_costs_the_unit_no_attempt(demo: Path, tmp_path: Path) -> None:
    """The evidence's folder is a file: the unit goes back as it was, and is performed once it is a folder."""
    shop = Shop.open(demo, tmp_path / "home", evidence_seconds=0.1)
    audit_id, [message, *_] = shop.planned(REQUEST)
    folder = tmp_path / "home" / "evidence"
    folder.write_text("in the way")
    with capture_logs() as lines:
        tasks.perform(shop.workshop, shop.claim(message))
    assert [line["ended"] for line in lines if line["event"] == "unit"] == ["returned"]
    folder.unlink()
    again = shop.claim(message)
    assert again.attempt == 1
    tasks.perform(shop.workshop, again)
    assert shop.states(audit_id)["baseline"] == [("done", None)]
    shop.close()


def test_little_memory_changes_no_verdict(demo: Path, tmp_path: Path) -> None:
    """
    Room for 10 rows where 12 and more are asked: every batch is halved until it fits
    The verdicts and the cost are the same, the scores to 1e-4
    """
    search = {"kind": "adversarial_embedding", "steps": 3, "batch_size": 4}
    request = {"target_set": "tiny:targets", "probes": [{"kind": "prompt"}, search]}
    reports = []
    for name, rows in (("ample", None), ("scarce", 10)):
        shop = Shop.open(demo, tmp_path / name, memory_rows=rows)
        reports.append(shop.audit(request))
        [digest] = shop.workshop.models.digests
        model = shop.workshop.models.get(digest)
        assert model is not None
        assert (model.parts.most <= 10, model.parts_with_gradient.most <= 10) == ((rows is not None),) * 2
        shop.close()
    ample, scarce = reports
    assert [(v.target_id, v.verdict, v.reasons) for v in ample.verdicts] == [
        (v.target_id, v.verdict, v.reasons) for v in scarce.verdicts
    ]
    assert ample.cost.total.unet_sample_forwards == scarce.cost.total.unet_sample_forwards
    for one, other in zip(ample.verdicts, scarce.verdicts, strict=True):
        for kind in one.adversarial:
            assert one.adversarial[kind].scores == pytest.approx(other.adversarial[kind].scores, abs=1e-4)
