"""Engines and transactions: what a writer holds, what a reader sees, and which clock it is."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.exc import DatabaseError, IntegrityError

from ledger import schema
from ledger.database import Ledger, now, upsert
from ledger.tests.databases import on_postgresql, on_sqlite
from ledger.tests.driver import TENANT, Driver
from ledger.tests.processes import at_once, meet


def test_the_clock_is_seconds_since_1970_and_advances_within_a_transaction(ledger: Ledger) -> None:
    """It agrees with this machine's, which is the database's here, to the millisecond it is kept in."""
    with ledger.reading() as connection:
        before, first = time.time(), connection.execute(select(now())).scalar_one()
        time.sleep(0.01)
        second, after = connection.execute(select(now())).scalar_one(), time.time()
    assert before - 0.002 <= first < second <= after + 0.002


def test_the_clock_can_be_reckoned_with(ledger: Ledger) -> None:
    """now + 60 is a minute later, and later than now."""
    with ledger.reading() as connection:
        assert connection.execute(select((now() + 60) - now())).scalar_one() == pytest.approx(60, abs=0.01)
        assert connection.execute(select(now() + 60 > now(), now() - 60 > now())).one() == (True, False)


@on_sqlite
def test_sqlite_writes_ahead_durably_and_enforces_its_keys(ledger: Ledger) -> None:
    """WAL, synchronous=FULL (2), foreign keys on, 30 s of patience: on every connection."""
    with ledger.reading() as connection:
        found = {
            pragma: connection.execute(text(f"PRAGMA {pragma}")).scalar_one()
            for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
    orphan = {"tenant_id": TENANT, "audit_id": "aud_none", "seq": 1, "type": "a", "data": {}, "at": 0.0}
    with pytest.raises(IntegrityError), ledger.writing() as connection:
        connection.execute(insert(schema.events).values(orphan))


@on_sqlite
def test_a_writer_is_alone_from_its_first_moment(ledger: Ledger) -> None:
    """While one transaction may write, a second cannot begin to, though the first has written nothing yet."""
    other = sqlite3.connect(str(ledger.engine.url.database), timeout=0, isolation_level=None)
    with ledger.writing(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN IMMEDIATE")
    other.close()


def test_a_reader_sees_one_moment(drive: Driver) -> None:
    """What is committed while it reads it does not see; the next reader does."""
    with drive.ledger.reading() as connection:
        assert connection.execute(select(schema.audits.c.id)).all() == []
        audit_id = drive.submit()
        assert connection.execute(select(schema.audits.c.id)).all() == []
    assert [row.id for row in drive.rows(schema.audits)] == [audit_id]


def test_an_exception_rolls_back(drive: Driver) -> None:
    """A row written before it is not there afterwards."""
    row = {"tenant_id": TENANT, "id": "m", "card": {}, "published_at": 0.0}
    with drive.crashing() as connection:
        connection.execute(insert(schema.models).values(row))
    assert drive.rows(schema.models) == []


def test_an_upsert_leaves_or_replaces_what_is_there(ledger: Ledger) -> None:
    """ON CONFLICT DO NOTHING keeps 1; DO UPDATE makes it 2."""
    row = {"tenant_id": TENANT, "id": "m", "published_at": 0.0}
    with ledger.writing() as connection:
        connection.execute(insert(schema.models).values(**row, card={"n": 1}))
        insertion = upsert(connection, schema.models).values(**row, card={"n": 2})
        connection.execute(insertion.on_conflict_do_nothing())
        assert connection.execute(select(schema.models.c.card)).scalar_one() == {"n": 1}
        connection.execute(insertion.on_conflict_do_update(index_elements=["tenant_id", "id"], set_={"card": {"n": 2}}))
        assert connection.execute(select(schema.models.c.card)).scalar_one() == {"n": 2}


def test_the_folder_of_the_database_is_made(tmp_path: Path) -> None:
    """A first start needs no preparation."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'new' / 'deep' / 'ledger.sqlite'}")
    ledger.upgrade()
    ledger.require_current()
    ledger.close()


def open_each(folder: Path) -> None:
    """Open forty new files, each at the moment the other process does."""
    for n in range(40):
        ledger = Ledger(f"sqlite:///{folder / f'{n}.sqlite'}")
        meet()
        with ledger.writing() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS t (x)"))
        ledger.close()


def test_two_processes_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    """Changing a file to WAL is the one lock SQLite does not wait for: a first start must not trip over it."""
    at_once(open_each, tmp_path)


@on_postgresql
def test_what_was_given_up_for_others_is_done_again(drive: Driver) -> None:
    """
    Two writers each hold one audit's row and want the other's: PostgreSQL gives one of them up after a second, and it
    begins again when the other has ended. Both wrote both rows: revision 1 + 1 + 1 of either
    """
    audits = [drive.submit(), drive.submit()]
    both_hold_one = threading.Barrier(2)

    def advance(connection: Connection, audit_id: str) -> None:
        one = schema.audits.c.id == audit_id
        connection.execute(update(schema.audits).where(one).values(revision=schema.audits.c.revision + 1))

    def work(first: str, second: str) -> int:
        tries = 0

        def once(connection: Connection) -> None:
            nonlocal tries
            tries += 1
            advance(connection, first)
            if tries == 1:
                both_hold_one.wait(30)
            advance(connection, second)

        drive.ledger.write(once)
        return tries

    with ThreadPoolExecutor(2) as pool:
        tries = [pool.submit(work, *order) for order in (audits, audits[::-1])]
        once, again = sorted(future.result(60) for future in tries)
    assert (once, again > 1) == (1, True)
    assert [drive.audit(audit_id).revision for audit_id in audits] == [3, 3]


def test_any_other_failure_is_not_tried_again(ledger: Ledger) -> None:
    """A table that does not exist stays away: one try, and the database's own error."""
    tries = []

    def work(connection: Connection) -> None:
        tries.append(1)
        connection.execute(text("SELECT * FROM no_such_table"))

    with pytest.raises(DatabaseError, match="no_such_table"):
        ledger.write(work)
    assert len(tries) == 1


def submit_with(url: str, key: str) -> list[str]:
    """Twenty submissions of one process, each under a key of its own that the other process uses too."""
    drive = Driver.open(url)
    return [drive.submit(key=f"{key}-{n}", fingerprint=str(n)) for n in range(20)]


def test_two_processes_with_the_same_keys_get_the_same_audits(drive: Driver, url: str) -> None:
    """Twenty keys from each side make twenty audits, and both sides are told the same."""
    first, second = at_once(submit_with, url, "shared")
    assert first == second
    assert len(drive.rows(schema.audits)) == 20
