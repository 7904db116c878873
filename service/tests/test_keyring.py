"""Keys are read together, once in a few seconds, and what changes is known by then."""

import asyncio
from collections.abc import Collection

import pytest

from ledger import keys
from ledger.keys import Lock
from ledger.lookout import Lookout
from palimpsest.api_key import ApiKey
from service import keyring
from service.keyring import Keyring
from service.tests.conftest import Bench


class Counting(Lookout):
    """Counts the questions it puts to the ledger."""

    asked = 0

    async def locks(self, prefixes: Collection[str]) -> dict[str, Lock]:
        """One more."""
        self.asked += 1
        return await super().locks(prefixes)

    async def any_key(self) -> bool:
        """One more."""
        self.asked += 1
        return await super().any_key()


def create(bench: Bench, tenant: str = "acme") -> tuple[ApiKey, str]:
    """A key in the ledger, and its id."""
    key = ApiKey.minted()
    with bench.ledger.writing() as connection:
        row = keys.create(
            connection, tenant, prefix=key.prefix, secret=key.secret, name="n", scopes=["audits:read"], seconds=None
        )
    return key, row.id


def revoke(bench: Bench, key_id: str) -> None:
    """As another gateway would."""
    with bench.ledger.writing() as connection:
        keys.revoke(connection, "acme", key_id)


def test_many_polls_are_one_read(bench: Bench) -> None:
    """A hundred at the same moment, and a hundred after it."""
    key, key_id = create(bench)

    async def act() -> int:
        lookout = Counting(bench.ledger)
        ring = Keyring(bench.ledger, lookout)
        holders = await asyncio.gather(*(ring.holder(key) for _ in range(100)))
        holders += [await ring.holder(key) for _ in range(100)]
        await ring.close()
        await lookout.close()
        assert {(holder.tenant, holder.id) for holder in holders if holder} == {("acme", key_id)}
        assert len(holders) == 200
        return lookout.asked

    assert asyncio.run(act()) == 1


def test_guesses_cost_no_more_than_a_read_and_push_nobody_out(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two kept keys both stay, whatever is asked for beside them; a wrong secret is not even asked for."""
    monkeypatch.setattr(keyring, "MOST_KEPT", 2)
    first, second = create(bench)[0], create(bench)[0]

    async def act() -> tuple[int, int, int]:
        lookout = Counting(bench.ledger)
        ring = Keyring(bench.ledger, lookout)
        assert await ring.holder(first)
        assert await ring.holder(second)
        begun = lookout.asked
        assert await ring.holder(ApiKey(first.prefix, "x" * 43)) is None
        wrong = lookout.asked
        for _ in range(5):
            assert await ring.holder(ApiKey.minted()) is None
        guessed = lookout.asked
        assert await ring.holder(first)
        assert await ring.holder(second)
        assert lookout.asked == guessed
        await ring.close()
        await lookout.close()
        return begun, wrong, guessed

    assert asyncio.run(act()) == (2, 2, 7)


def test_a_revocation_elsewhere_holds_after_a_few_seconds(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then the key is what it was; at once where the ring is told to forget."""
    monkeypatch.setattr(keyring, "GOOD_SECONDS", 0.4)
    (key, key_id), (other, other_id) = create(bench), create(bench)

    async def act() -> list[bool]:
        ring = Keyring(bench.ledger, lookout := Lookout(bench.ledger))
        seen = [await ring.holder(key) is not None, await ring.holder(other) is not None]
        revoke(bench, key_id)
        seen.append(await ring.holder(key) is not None)
        await asyncio.sleep(0.5)
        seen.append(await ring.holder(key) is not None)
        seen.append(await ring.holder(other) is not None)
        revoke(bench, other_id)
        ring.forget()
        seen.append(await ring.holder(other) is not None)
        await ring.close()
        await lookout.close()
        return seen

    assert asyncio.run(act()) == [True, True, True, False, True, False]


def test_a_kept_key_expires_on_time(bench: Bench) -> None:
    """0.5 s of life, though it is kept for 5 s."""
    key = ApiKey.minted()

    async def act() -> list[bool]:
        ring = Keyring(bench.ledger, lookout := Counting(bench.ledger))
        with bench.ledger.writing() as connection:
            keys.create(connection, "acme", prefix=key.prefix, secret=key.secret, name="n", scopes=[], seconds=0.5)
        good = [await ring.holder(key) is not None]
        await asyncio.sleep(0.6)
        good.append(await ring.holder(key) is not None)
        await ring.close()
        await lookout.close()
        assert lookout.asked == 1
        return good

    assert asyncio.run(act()) == [True, False]


def test_whether_there_is_a_key_is_asked_until_there_is_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once in a few seconds; then never again."""

    async def act() -> list[tuple[bool, int]]:
        lookout = Counting(bench.ledger)
        ring = Keyring(bench.ledger, lookout)
        told = [(await ring.any(), lookout.asked), (await ring.any(), lookout.asked)]
        create(bench)
        told.append((await ring.any(), lookout.asked))
        monkeypatch.setattr(keyring, "GOOD_SECONDS", 0.0)
        told += [(await ring.any(), lookout.asked), (await ring.any(), lookout.asked)]
        await lookout.close()
        return told

    assert asyncio.run(act()) == [(False, 1), (False, 1), (False, 1), (True, 2), (True, 2)]
