"""Which workers are there: those that said so lately."""

from sqlalchemy import update

from ledger import schema, workers
from ledger.database import now
from ledger.tests.driver import TENANT, Driver


def seen(drive: Driver, owner: str, *families: str, engine: str = "engine-1") -> None:
    """A worker says that it is there."""
    with drive.ledger.writing() as connection:
        workers.seen(connection, TENANT, owner=owner, engine=engine, families=families)


def present(drive: Driver, tenant: str = TENANT) -> list[tuple[str, str, list[str]]]:
    """The workers of the last ten seconds."""
    with drive.ledger.reading() as connection:
        found = workers.present(connection, tenant, within_seconds=10)
    return [(worker.owner, worker.engine, worker.families) for worker in found]


def quiet_for(drive: Driver, owner: str, seconds: float) -> None:
    """Let a worker have said nothing for so long."""
    with drive.ledger.writing() as connection:
        of_owner = schema.workers.c.owner == owner
        connection.execute(update(schema.workers).where(of_owner).values(seen_at=now() - seconds))


def test_a_worker_is_there_as_it_said_last(drive: Driver) -> None:
    """Two workers, by owner; the second time one says something else that holds. Another tenant sees neither."""
    seen(drive, "b", "sd1")
    seen(drive, "a", "sdxl", "sd1")
    seen(drive, "b", "flux", engine="engine-2")
    assert present(drive) == [("a", "engine-1", ["sd1", "sdxl"]), ("b", "engine-2", ["flux"])]
    assert present(drive, "other") == []


def test_a_worker_that_is_quiet_or_took_its_leave_is_not_there(drive: Driver) -> None:
    """Eleven seconds of ten; and one that left, which may come back."""
    for owner in ("quiet", "gone", "there"):
        seen(drive, owner, "sd1")
    quiet_for(drive, "quiet", 11)
    with drive.ledger.writing() as connection:
        workers.gone(connection, TENANT, owner="gone")
    assert [owner for owner, *_ in present(drive)] == ["there"]
    seen(drive, "gone", "sd1")
    assert [owner for owner, *_ in present(drive)] == ["gone", "there"]


def test_those_not_seen_for_long_are_forgotten(drive: Driver) -> None:
    """A day is long: of two the quiet one is dropped, once."""
    for owner in ("quiet", "there"):
        seen(drive, owner, "sd1")
    quiet_for(drive, "quiet", 86_401)
    for expected in (1, 0):
        with drive.ledger.writing() as connection:
            assert workers.forget(connection, unseen_seconds=86_400) == expected
    assert [row.owner for row in drive.rows(schema.workers)] == ["there"]
