"""The log of accesses: a chain for each tenant, which never forks and in which every change shows."""

import hashlib
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from sqlalchemy import delete, update

from ledger import accesses, schema
from ledger.accesses import BEGINNING, Head
from ledger.errors import AccessLogBroken
from ledger.tests.driver import TENANT, Driver
from ledger.tests.processes import at_once


def append(drive: Driver, *subjects: str, tenant: str = TENANT) -> list[Head]:
    """Note that somebody has read these, one transaction each."""
    heads = []
    for subject in subjects:
        with drive.ledger.writing() as connection:
            heads.append(accesses.append(connection, tenant, actor="key_a", action="report.read", subject=subject))
    return heads


def verify(drive: Driver, **noted: Head) -> Head:
    """Go through the chain."""
    with drive.ledger.reading() as connection:
        return accesses.verify(connection, TENANT, **noted)


def change(drive: Driver, statement: Any) -> None:
    """Be the ledger's owner, who may do anything."""
    with drive.ledger.writing() as connection:
        connection.execute(statement)


def test_each_row_is_bound_to_the_one_before(drive: Driver) -> None:
    """By a hash that anybody can compute: SHA-256 of a JSON array of seven."""
    heads = append(drive, "aud_1", "aud_2")
    with drive.ledger.reading() as connection:
        first, second = accesses.after(connection, TENANT, 0)
        assert accesses.after(connection, TENANT, 1) == [second]
    words = [BEGINNING, TENANT, 1, first.at, "key_a", "report.read", "aud_1"]
    assert first.hash == hashlib.sha256(json.dumps(words, separators=(",", ":")).encode()).hexdigest()
    assert (first.previous, second.previous, second.seq) == (BEGINNING, first.hash, 2)
    assert heads == [Head(1, first.hash), Head(2, second.hash)]
    assert verify(drive) == heads[-1]


def test_tenants_have_chains_of_their_own(drive: Driver) -> None:
    """Both begin with 1, and hashes of equal accesses differ."""
    (mine,), (theirs,) = append(drive, "aud_1"), append(drive, "aud_1", tenant="other")
    assert (mine.seq, theirs.seq, mine.hash != theirs.hash) == (1, 1, True)
    with drive.ledger.reading() as connection:
        assert accesses.tenants(connection) == [TENANT, "other"]
        assert accesses.head(connection, "nobody") == accesses.EMPTY


def test_what_was_not_committed_is_not_in_it(drive: Driver) -> None:
    """And leaves no gap."""
    append(drive, "aud_1")
    with drive.crashing() as connection:
        accesses.append(connection, TENANT, actor="key_a", action="report.read", subject="aud_2")
    append(drive, "aud_3")
    assert verify(drive).seq == 2


LOG = schema.accesses


@pytest.mark.parametrize(
    ("forgery", "first_wrong"),
    [
        (update(LOG).where(LOG.c.seq == 2).values(subject="aud_9"), 2),
        (update(LOG).where(LOG.c.seq == 2).values(at=LOG.c.at + 1.0), 2),
        (update(LOG).where(LOG.c.seq == 2).values(actor="key_b"), 2),
        (update(LOG).where(LOG.c.seq == 3).values(previous=BEGINNING), 3),
        (update(LOG).where(LOG.c.seq == 4).values(hash=BEGINNING), 4),
        (delete(LOG).where(LOG.c.seq == 1), 1),
        (delete(LOG).where(LOG.c.seq == 3), 3),
        (update(LOG).where(LOG.c.seq == 4).values(seq=5), 4),
    ],
)
def test_every_change_shows(drive: Driver, forgery: Any, first_wrong: int) -> None:
    """The first row that is not right is named."""
    append(drive, "aud_1", "aud_2", "aud_3", "aud_4")
    change(drive, forgery)
    with pytest.raises(AccessLogBroken, match=f"from row {first_wrong} on"):
        verify(drive)


def test_a_chain_written_anew_or_cut_off_shows_to_whoever_noted_its_head(drive: Driver) -> None:
    """In itself it is right: only a head that lies elsewhere tells."""
    _, noted = append(drive, "aud_1", "aud_2")
    append(drive, "aud_3")
    assert verify(drive, noted=noted).seq == 3
    change(drive, delete(LOG).where(LOG.c.seq > 1))
    assert verify(drive).seq == 1
    with pytest.raises(AccessLogBroken, match="ends at row 1, before the noted 2"):
        verify(drive, noted=noted)
    append(drive, "aud_8", "aud_9")
    assert verify(drive).seq == 3
    with pytest.raises(AccessLogBroken, match=r"row 2 .* is not the one that was noted"):
        verify(drive, noted=noted)


def append_many(url: str, actor: str) -> None:
    """A gateway that writes again and again."""
    drive = Driver.open(url)
    for n in range(20):
        with drive.ledger.writing() as connection:
            accesses.append(connection, TENANT, actor=actor, action="report.read", subject=f"aud_{n}")
    drive.ledger.close()


def test_two_gateways_may_append_at_once(drive: Driver, url: str) -> None:
    """Neither fails, and the chain does not fork: 40 rows, 20 of each."""
    at_once(append_many, url, each=("key_a", "key_b"))
    assert verify(drive).seq == 40
    with drive.ledger.reading() as connection:
        rows = accesses.after(connection, TENANT, 0)
    assert sorted(row.actor for row in rows) == ["key_a"] * 20 + ["key_b"] * 20


def test_the_command_says_how_each_chain_ends_and_compares(drive: Driver, url: str) -> None:
    """``palimpsest-ledger verify``: what it printed is what it takes; a chain that was cut is exit 1 and a sentence."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ledger.cli", "verify", "--url", url, *words]
        return subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)

    append(drive, "aud_1", "aud_2")
    told = run()
    assert told.stdout == f"{TENANT}:2:{verify(drive).hash}\n"
    assert run(told.stdout.strip()).returncode == 0
    change(drive, delete(LOG).where(LOG.c.seq == 2))
    broken = run(told.stdout.strip())
    assert (broken.returncode, "ends at row 1" in broken.stderr) == (1, True)
