"""A training that is broken off goes on from its newest state, under whoever has the unit next."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ledger.errors import StaleFence
from ledger.outbox import Message
from ledger.units import Ticket
from worker import tasks
from worker.lease import Lease
from worker.stations import STATIONS
from worker.tests.shop import TENANT, Shop
from worker.tests.trained import STEPS, TRAINED, newest_state
from worker.training import Training


@pytest.fixture
def careful(demo: Path, tmp_path: Path) -> Iterator[Shop]:
    """A worker that keeps the state of every step."""
    shop = Shop.open(demo, tmp_path / "careful", checkpoint_seconds=0)
    yield shop
    shop.close()


class Killed(BaseException):
    """What befalls a process."""


class Mortal(Lease):
    """Ends with its process, after so many steps and before the state of the last is kept."""

    last = 0

    def step(self, done: int, of: int) -> None:
        """As a lease's."""
        super().step(done, of)
        if self.steps == self.last:
            raise Killed


def trained_until(shop: Shop, message: Message, step: int) -> Ticket:
    """A first holder of the mitigation, whose process is killed there; the lease lapses."""
    ticket = shop.claim(message, lease=-1)
    lease = Mortal(shop.workshop.ledger, ticket, 60)
    lease.last = step
    with pytest.raises(Killed):
        STATIONS["mitigate"](shop.workshop, ticket, lease)
    return ticket


def mitigating(shop: Shop) -> tuple[str, Message]:
    """An audit whose only open unit is the mitigation's, and the bell for it."""
    audit_id, messages = shop.planned(TRAINED)
    [unit] = [row for row in units(shop) if row["kind"] == "mitigate"]
    [message] = [m for m in messages if m.unit_id == unit["id"]]
    for other in messages:
        if other is not message:
            shop.ring(other)
    return audit_id, message


def units(shop: Shop) -> list[Any]:
    """The table."""
    with shop.workshop.ledger.reading() as connection:
        return list(connection.exec_driver_sql("SELECT * FROM units").mappings())


def state(shop: Shop) -> dict[str, Any]:
    """What the newest state says of itself; there is one."""
    found = newest_state(shop)
    assert found is not None
    return found


def states(shop: Shop) -> int:
    """How many states are in the store, of whichever unit."""
    root = shop.workshop.evidence.root / TENANT
    return sum(b"under fence" in path.read_bytes()[:4096] for path in root.rglob("*") if path.is_file())


def finished(shop: Shop, message: Message) -> dict[str, Any]:
    """The unit's canonical line, performed by its next holder; everything else is worked off too."""
    with capture_logs() as lines:
        shop.ring(message)
    shop.work()
    [line] = [line for line in lines if line["event"] == "unit"]
    return dict(line)


def test_a_training_goes_on_where_its_worker_was_killed(careful: Shop, demo: Path, tmp_path: Path) -> None:
    """
    Killed after step 4 of 6, with the state of step 3 kept: the second holder takes steps 4, 5 and 6
    What it makes and what it cost are those of a worker that was never disturbed: equal digests
    One state lies in the store at any time; that of the last step is not kept, the artifact is
    """
    audit_id, message = mitigating(careful)
    trained_until(careful, message, 4)
    assert state(careful)["step"] == 3
    assert states(careful) == 1
    line = finished(careful, message)
    assert (line["ended"], line["attempt"], line["steps"]) == ("done", 2, 3)
    assert states(careful) == 1
    plain = Shop.open(demo, tmp_path / "plain")
    assert plain.audit(TRAINED).result_digest == careful.report(audit_id).result_digest
    plain.close()
    assert states(plain) == 0


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_state_that_cannot_be_read_costs_the_steps_and_no_more(careful: Shop, damage: str) -> None:
    """The training begins anew, says so, and ends well."""
    audit_id, message = mitigating(careful)
    trained_until(careful, message, 4)
    root = careful.workshop.evidence.root / TENANT
    [blob] = [p for p in root.rglob("*") if p.is_file() and b"under fence" in p.read_bytes()[:4096]]
    if damage == "gone":
        blob.unlink()
    else:
        blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    with capture_logs() as lines:
        careful.ring(message)
    told = {line["event"]: line for line in lines}
    assert told["unit"]["steps"] == STEPS
    assert told["checkpoint.unreadable"]["cause"] == {"gone": "EvidenceMissing", "changed": "EvidenceCorrupt"}[damage]
    careful.work()
    assert careful.row(audit_id).state == "succeeded"


def test_a_late_worker_takes_nothing_from_the_next(careful: Shop) -> None:
    """
    The unit has passed on: the late one's state is refused and its training ends as lost
    The next one's state is untouched, although both have taken the same step; so is its blob
    """
    _, message = mitigating(careful)
    late = trained_until(careful, message, 3)
    holder = trained_until(careful, message, 2)
    kept = state(careful)
    assert (kept["step"], kept["mark"]) == (3, f"{holder.unit_id} under fence 2")
    with pytest.raises(StaleFence):
        STATIONS["mitigate"](careful.workshop, late, Lease(careful.workshop.ledger, late, 60))
    assert state(careful) == kept


def test_a_state_that_cannot_be_kept_does_not_end_the_training(careful: Shop) -> None:
    """The ledger, then the store, is away for a moment: it is said, the steps go on, and the next state is kept."""
    _, message = mitigating(careful)
    ticket = careful.claim(message)
    training = Training(careful.workshop, ticket, Lease(careful.workshop.ledger, ticket, 60))
    folder = careful.workshop.evidence.root

    def rename(before: str, after: str) -> None:
        with careful.workshop.ledger.writing() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {before} RENAME TO {after}")

    with capture_logs() as lines:
        rename("evidence", "away")
        training.save(b"one")
        rename("away", "evidence")
        assert training.load() is None
        folder.rename(folder.with_name("away"))
        folder.write_text("in the way")
        training.save(b"two")
        folder.unlink()
        folder.with_name("away").rename(folder)
    assert training.load() is None
    assert [line["event"] for line in lines] == ["checkpoint.not_kept"] * 2
    training.save(b"three")
    assert training.load() == b"three"


def test_states_are_kept_now_and_then(demo: Path, tmp_path: Path) -> None:
    """By default a minute apart: a training of a second keeps none, and its unit tells its steps as progress."""
    shop = Shop.open(demo, tmp_path / "home")
    _, message = mitigating(shop)
    heard: list[float] = []

    class Heard(Lease):
        def step(self, done: int, of: int) -> None:
            super().step(done, of)
            heard.append(self.progress)

    ticket = shop.claim(message)
    lease = Heard(shop.workshop.ledger, ticket, 60)
    tasks.finish(shop.workshop, ticket, STATIONS["mitigate"](shop.workshop, ticket, lease))
    assert heard == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 0.99])
    assert states(shop) == 0
    shop.close()
