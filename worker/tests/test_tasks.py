"""What happens when a doorbell rings."""

import base64
import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ledger import catalogue, outbox, units
from ledger.outbox import Message
from worker import tasks
from worker.engine.errors import MethodFailed
from worker.tests import tiny
from worker.tests.shop import REQUEST, TENANT, Shop


def test_opening_publishes_what_is_offered(shop: Shop) -> None:
    """The tiny model and every method, under this engine."""
    with shop.workshop.ledger.reading() as connection:
        models = catalogue.model_cards(connection, TENANT)
        methods = catalogue.method_cards(connection, TENANT)
    assert [card["id"] for card in models] == ["tiny"]
    assert methods is not None
    assert methods[0] == shop.workshop.engine
    assert {card["kind"] for card in methods[1]} >= {"nemo", "wanda", "prompt", "adversarial_embedding", "sscd"}


def test_one_unit_is_one_line_in_the_log(shop: Shop) -> None:
    """Which unit, which attempt, how it ended, how long it took."""
    audit_id = shop.submit(REQUEST)
    [message] = shop.messages()
    with capture_logs() as lines:
        shop.ring(message)
    [line] = lines
    assert (line["event"], line["audit"], line["unit"], line["stage"]) == ("unit", audit_id, message.unit_id, "plan")
    assert (line["attempt"], line["ended"]) == (1, "done")
    assert line["seconds"] >= 0


def test_a_late_worker_can_write_nothing(shop: Shop) -> None:
    """Its lease has passed on: its result is lost, the second worker's counts."""
    shop.submit(REQUEST)
    [message] = shop.messages()
    late = shop.claim(message, lease=-1)
    second = shop.claim(message)
    with capture_logs() as lines:
        tasks.perform(shop.workshop, late)
        tasks.perform(shop.workshop, second)
    assert [line["ended"] for line in lines] == ["lost", "done"]
    assert [line["attempt"] for line in lines] == [1, 2]


def test_a_late_failure_is_lost_too(shop: Shop) -> None:
    """Neither a failure nor an abandonment of a passed lease says anything about the unit."""
    audit_id = shop.submit(REQUEST)
    [message] = shop.messages()
    late = shop.claim(message, lease=-1)
    shop.claim(message)
    tasks.fail(shop.workshop, late, "METHOD_FAILED", "too late", again=False)
    assert tasks.abandon(shop.workshop, late) == "lost"
    assert shop.states(audit_id) == {"plan": [("leased", None)]}


def test_a_unit_of_a_cancelled_audit_is_abandoned(demo: Path, tmp_path: Path) -> None:
    """It stops between two denoising steps; a partial report follows."""
    shop = Shop.open(demo, tmp_path / "home", lease_seconds=0.8)
    search = {"kind": "adversarial_embedding", "steps": 1000, "batch_size": 8}
    audit_id, [message] = shop.planned({"target_set": "tiny:targets", "probes": [search]})
    ticket = shop.claim(message)
    shop.cancel(audit_id)
    with capture_logs() as lines:
        tasks.perform(shop.workshop, ticket)
    assert [line["ended"] for line in lines] == ["cancelled"]
    shop.work()
    assert shop.states(audit_id) == {
        "plan": [("done", None)],
        "baseline": [("cancelled", None)],
        "report": [("done", None)],
    }
    report = shop.report(audit_id)
    assert (report.state, shop.row(audit_id).state) == ("cancelled", "cancelled")
    assert [(v.verdict, v.reasons) for v in report.verdicts] == [("inconclusive", ["missing: before: CANCELLED"])] * 3
    shop.close()


def test_a_model_that_has_changed_is_not_audited(demo: Path, tmp_path: Path) -> None:
    """Its files are others than those the audit was planned for: MODEL_CHANGED, at the first attempt."""
    folder = tmp_path / "tiny"
    shutil.copytree(demo, folder)
    shop = Shop.open(folder, tmp_path / "home")
    audit_id, messages = shop.planned(REQUEST)
    config = folder / "model" / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace("0.012", "0.013"))
    shop.workshop.models.clear()
    for message in messages:
        shop.ring(message)
    shop.work()
    assert shop.states(audit_id)["baseline"] == [("failed", "MODEL_CHANGED")]
    assert shop.report(audit_id).verdicts[0].reasons[0] == "missing: before: MODEL_CHANGED"
    assert shop.report(audit_id).summary.outcome == "insufficient_evidence"
    shop.close()


def test_a_bug_in_one_unit_is_tried_again_and_then_reported(demo: Path, tmp_path: Path) -> None:
    """A set's picture is gone, which nothing expects: three attempts, INTERNAL_ERROR, and the audit goes on."""
    folder = tmp_path / "tiny"
    shutil.copytree(demo, folder)
    shop = Shop.open(folder, tmp_path / "home")
    audit_id, messages = shop.planned({"target_set": "tiny:targets", "probes": [{"kind": "prompt"}]})
    (folder / "targets" / "kite.png").unlink()
    with capture_logs() as lines:
        for message in messages:
            shop.ring(message)
        shop.work()
    ended = [line["ended"] for line in lines if line["event"] == "unit"]
    assert ended == ["INTERNAL_ERROR", "INTERNAL_ERROR", "INTERNAL_ERROR", "done"]
    assert all("FileNotFoundError" in line["traceback"] for line in lines if line["event"] == "unit.crashed")
    assert shop.history(audit_id).count("unit.retried") == 2
    assert [v.reasons for v in shop.report(audit_id).verdicts] == [["missing: before: INTERNAL_ERROR"]] * 3
    shop.close()


def inline(content: bytes) -> dict[str, str]:
    """A picture in a request."""
    return {"media_type": "image/png", "base64": base64.b64encode(content).decode()}


@pytest.mark.parametrize("fault", ["no picture", "missing", "damaged"])
def test_evidence_that_cannot_be_read_has_its_code(shop: Shop, fault: str) -> None:
    """Bytes that are no picture, a blob that is gone, a blob that was changed: EVIDENCE_UNREADABLE, once."""
    content = b"no picture" if fault == "no picture" else tiny.picture_file(1)
    audit_id, [message] = shop.planned(
        {"targets": [{"prompt": "a fox", "images": [inline(content)]}], "probes": [{"kind": "prompt"}]}
    )
    [blob] = [path for path in shop.workshop.evidence.root.rglob("*") if path.is_file()]
    if fault == "missing":
        blob.unlink()
    if fault == "damaged":
        blob.write_bytes(b"changed")
    shop.ring(message)
    shop.work()
    assert shop.states(audit_id)["baseline"] == [("failed", "EVIDENCE_UNREADABLE")]
    assert shop.history(audit_id).count("unit.retried") == 0
    [verdict] = shop.report(audit_id).verdicts
    assert (verdict.target_id, verdict.reasons) == ("target-1", ["missing: before: EVIDENCE_UNREADABLE"])


def test_a_model_that_is_not_offered_is_an_expected_failure(shop: Shop) -> None:
    """The gateway would have refused it; here the plan fails with a code, and with it the audit."""
    audit_id = shop.submit({**REQUEST, "model": "elsewhere"})
    shop.work()
    row = shop.row(audit_id)
    assert (row.state, row.outcome, row.error) == ("failed", "error", "METHOD_FAILED")
    assert row.detail == "this worker does not offer the model elsewhere"
    with pytest.raises(MethodFailed):
        shop.workshop.registration("elsewhere")


def test_a_unit_is_tried_three_times_in_all(shop: Shop) -> None:
    """Three leases that lapse are enough: the unit is reported lost, the report says so."""
    audit_id, messages = shop.planned({"target_set": "tiny:targets", "probes": [{"kind": "prompt"}]})
    [message] = messages
    for _ in range(3):
        shop.claim(message, lease=-1)
        with shop.workshop.ledger.writing() as connection:
            units.expire_leases(connection)
    shop.work()
    assert shop.states(audit_id)["baseline"] == [("failed", "WORKER_LOST")]
    assert [v.reasons for v in shop.report(audit_id).verdicts] == [["missing: before: WORKER_LOST"]] * 3


def test_what_a_unit_released_is_announced_at_once(shop: Shop) -> None:
    """The plan's baseline and mitigation each ring once, and nothing is left for the sweeper."""
    shop.submit(REQUEST)
    [message] = shop.messages()
    shop.ring(message)
    rung: list[Message] = []
    tasks.tell(shop.workshop, rung.append)
    tasks.tell(shop.workshop, rung.append)
    assert len(rung) == len({message.unit_id for message in rung}) == 2
    assert {message.family for message in rung} == {"sd1"}
    assert shop.messages() == []


def refuse(message: Message) -> None:
    """A broker that is away."""
    disconnected()


def disconnected() -> None:
    """Nothing gets through."""
    raise ConnectionError


def test_a_broker_that_is_away_is_the_sweepers_business(shop: Shop) -> None:
    """One warning; the message is neither lost nor announced. A bell that cannot be rung on is one, too."""
    shop.submit(REQUEST)
    with capture_logs() as lines:
        tasks.tell(shop.workshop, refuse)
        tasks.answer(disconnected, refuse, lambda: True)
    assert [(line["event"], line["cause"]) for line in lines] == [("left to the sweeper", "ConnectionError")] * 2
    with shop.workshop.ledger.writing() as connection:
        assert outbox.claim(connection, 10, 30) == []
    with shop.workshop.ledger.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM outbox").scalar_one() == 1
