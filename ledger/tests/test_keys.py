"""API keys: found by their prefix, good until they expire or are revoked, and told without their secret."""

import asyncio
import hashlib

import pytest
from sqlalchemy.exc import IntegrityError

from ledger import keys, schema
from ledger.errors import KeyNotFound
from ledger.keys import KeyRow, Lock
from ledger.lookout import Lookout
from ledger.tests.driver import TENANT, Driver

PREFIX, SECRET = "p" * 12, "s" * 43


def create(drive: Driver, prefix: str = PREFIX, tenant: str = TENANT, seconds: float | None = None) -> KeyRow:
    """A key with this prefix that may read audits."""
    with drive.ledger.writing() as connection:
        return keys.create(
            connection, tenant, prefix=prefix, secret=SECRET, name="ci", scopes={"audits:read"}, seconds=seconds
        )


def found(drive: Driver, *prefixes: str) -> dict[str, Lock]:
    """What a gateway is told of these prefixes."""
    with drive.ledger.reading() as connection:
        return keys.locks(connection, prefixes)


def test_a_key_is_found_by_its_prefix_and_fits_its_secret_only(drive: Driver) -> None:
    """Of whatever tenant; what does not exist is left out."""
    mine, theirs = create(drive), create(drive, "q" * 12, tenant="other")
    locks = found(drive, PREFIX, "q" * 12, "x" * 12)
    assert {prefix: (lock.tenant, lock.id) for prefix, lock in locks.items()} == {
        PREFIX: (TENANT, mine.id),
        "q" * 12: ("other", theirs.id),
    }
    lock = locks[PREFIX]
    assert (lock.scopes, lock.left, lock.unused) == (frozenset({"audits:read"}), None, None)
    assert lock.fits(SECRET)
    assert not lock.fits(SECRET[:-1] + "t")
    assert not lock.fits("")


def test_of_a_secret_only_a_salted_hash_is_kept(drive: Driver) -> None:
    """The digest is SHA-256 of salt and secret; two keys of one secret have nothing in common."""
    create(drive)
    create(drive, "q" * 12)
    first, second = drive.rows(schema.api_keys)
    assert first.digest == hashlib.sha256((first.salt + SECRET).encode()).hexdigest()
    assert (len(first.salt), first.salt != second.salt, first.digest != second.digest) == (32, True, True)
    assert SECRET not in str([tuple(first), tuple(second), found(drive, PREFIX)])
    assert first.digest not in repr(found(drive, PREFIX))


def test_a_prefix_belongs_to_one_key(drive: Driver) -> None:
    """Of all tenants: it says whose request it is."""
    create(drive)
    with pytest.raises(IntegrityError):
        create(drive, tenant="other")


def test_a_key_is_good_until_it_expires(drive: Driver) -> None:
    """By the database's clock: a minute from now a little less than 60 s are left; a past end leaves less than none."""
    minute, over = create(drive, seconds=60.0), create(drive, "q" * 12, seconds=-1.0)
    assert minute.expires_at is not None
    assert minute.expires_at - minute.created_at == pytest.approx(60.0)
    locks = found(drive, PREFIX, "q" * 12)
    assert 0.0 < (locks[PREFIX].left or 0.0) <= 60.0
    assert (locks["q" * 12].left or 0.0) < 0.0
    assert over.revoked_at is None


def test_a_revoked_key_is_good_no_more(drive: Driver) -> None:
    """At once, once for all, and only by its own tenant."""
    mine = create(drive)
    with drive.ledger.writing() as connection:
        with pytest.raises(KeyNotFound):
            keys.revoke(connection, "other", mine.id)
        first = keys.revoke(connection, TENANT, mine.id)
    assert found(drive, PREFIX)[PREFIX].left == 0.0
    with drive.ledger.writing() as connection:
        assert keys.revoke(connection, TENANT, mine.id) == first
    assert first.revoked_at is not None


def test_keys_are_listed_by_tenant_newest_first(drive: Driver) -> None:
    """Another tenant's are neither listed nor found."""
    first, second = create(drive), create(drive, "q" * 12)
    theirs = create(drive, "r" * 12, tenant="other")
    with drive.ledger.reading() as connection:
        assert keys.listed(connection, TENANT) == [second, first]
        assert keys.get(connection, "other", theirs.id) == theirs
        with pytest.raises(KeyNotFound):
            keys.get(connection, TENANT, theirs.id)


def test_use_is_noted(drive: Driver) -> None:
    """``unused`` counts from then."""
    mine, theirs = create(drive), create(drive, "q" * 12, tenant="other")
    with drive.ledger.writing() as connection:
        keys.used(connection, [(TENANT, mine.id), (TENANT, mine.id)])
        assert keys.get(connection, TENANT, mine.id).last_used_at is not None
        assert keys.get(connection, "other", theirs.id).last_used_at is None
    unused = found(drive, PREFIX)[PREFIX].unused
    assert unused is not None
    assert 0.0 <= unused < 60.0


def test_lasting_keys_are_those_that_nothing_ends(drive: Driver) -> None:
    """Neither an expiring one nor a revoked one, nor one without the scope."""
    lasting, ending = create(drive), create(drive, "q" * 12)
    create(drive, "r" * 12, seconds=60.0)
    with drive.ledger.writing() as connection:
        keys.revoke(connection, TENANT, ending.id)
        assert keys.lasting(connection, TENANT, "audits:read") == [lasting]
        assert keys.lasting(connection, TENANT, "admin") == []


def test_an_event_loop_asks_the_same(drive: Driver) -> None:
    """Over a connection of its own: no key, then one, its lock as a transaction would find it."""

    async def act() -> list[object]:
        lookout = Lookout(drive.ledger)
        before = await lookout.any_key()
        key = create(drive)
        after = await lookout.any_key()
        locks = await lookout.locks([PREFIX, PREFIX, "x" * 12])
        await lookout.close()
        return [before, after, [(prefix, lock.id, lock.fits(SECRET)) for prefix, lock in locks.items()], key.id]

    before, after, locks, id = asyncio.run(act())
    assert (before, after, locks) == (False, True, [(PREFIX, id, True)])
    with drive.ledger.reading() as connection:
        assert keys.any_exists(connection)
