"""Engines and transactions: what a writer holds, what a reader sees, and which clock it is."""

import sqlite3
import time
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from ledger import schema
from ledger.database import Ledger, now, upsert
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


def submit_with(url: str, key: str) -> list[str]:
    """Twenty submissions of one process, each under a key of its own that the other process uses too."""
    drive = Driver.open(url)
    return [drive.submit(key=f"{key}-{n}", fingerprint=str(n)) for n in range(20)]


def test_two_processes_with_the_same_keys_get_the_same_audits(drive: Driver, url: str) -> None:
    """Twenty keys from each side make twenty audits, and both sides are told the same."""
    first, second = at_once(submit_with, url, "shared")
    assert first == second
    assert len(drive.rows(schema.audits)) == 20
