"""The one reader of events: who is told what, and how often the ledger is asked."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from ledger.database import Ledger
from ledger.errors import NotFound
from ledger.events import News, Position
from service import tailer as module
from service.tailer import Follower, Tailer, TooManyStreams
from service.tests.conftest import Bench
from service.tests.following import TENANT, an_audit, forget, run, tell, until

PAUSE = 0.02


class CountingTailer(Tailer):
    """Notes how many audits each look asks for."""

    def __init__(self, ledger: Ledger, *, most: int = 100) -> None:
        super().__init__(ledger, pause=PAUSE, most=most)
        self.looks: list[int] = []

    def _read(self, positions: Sequence[Position]) -> dict[Position, News]:
        self.looks.append(len(positions))
        return super()._read(positions)


async def followed(tailer: Tailer, audit_id: str) -> Follower:
    """A follower from where the audit is now, ready to be told."""
    news = await tailer.history(Position(TENANT, audit_id, 0))
    follower = tailer.follow(TENANT, audit_id, news.mark)
    follower.live = True
    return follower


def numbers(follower: Follower) -> list[int]:
    """Of the events that wait for it."""
    return [frame.seq for frame in follower.waiting]


def test_one_look_serves_every_follower(bench: Bench) -> None:
    """Two follow one audit and one another: each look asks for two audits, and each follower hears of its own."""
    first, second = an_audit(bench.ledger, "key-1"), an_audit(bench.ledger, "key-2")

    async def act() -> None:
        tailer = CountingTailer(bench.ledger)
        followers = [await followed(tailer, audit_id) for audit_id in (first, first, second)]
        tailer.looks.clear()
        tell(bench.ledger, first, "a", "b")
        tell(bench.ledger, second, "c")
        await until(lambda: all(follower.waiting for follower in followers))
        assert [numbers(follower) for follower in followers] == [[2, 3], [2, 3], [2]]
        assert followers[0].waiting[0] is followers[1].waiting[0]
        assert set(tailer.looks) == {2}
        for follower in followers:
            tailer.unfollow(follower)

    run(act)


def test_nobody_is_read_for_when_nobody_follows(bench: Bench) -> None:
    """The task ends with the last follower and begins again with the next."""
    audit_id = an_audit(bench.ledger)

    async def act() -> None:
        tailer = CountingTailer(bench.ledger)
        for _ in range(2):
            follower = await followed(tailer, audit_id)
            await asyncio.sleep(3 * PAUSE)
            tailer.unfollow(follower)
            await asyncio.sleep(3 * PAUSE)
            looks = len(tailer.looks)
            assert looks > 0
            await asyncio.sleep(5 * PAUSE)
            assert len(tailer.looks) == looks

    run(act)


def test_whoever_joins_late_misses_nothing(bench: Bench) -> None:
    """An audit that only a waiting poll watched is read from where the first follower begins."""
    audit_id = an_audit(bench.ledger)

    async def act() -> None:
        tailer = CountingTailer(bench.ledger)
        waiting = asyncio.create_task(tailer.change(TENANT, audit_id, 7, seconds=20))
        follower = await followed(tailer, audit_id)
        tell(bench.ledger, audit_id, "a")
        await until(lambda: numbers(follower) == [2])
        late = await followed(tailer, audit_id)
        tell(bench.ledger, audit_id, "b")
        await until(lambda: numbers(late) == [3])
        assert numbers(follower) == [2, 3]
        for one in (follower, late):
            tailer.unfollow(one)
        assert await waiting

    run(act)


def test_many_events_at_once_come_in_several_looks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,100 in one transaction are all handed over, 500 a look, to one who takes them as they come."""
    audit_id = an_audit(bench.ledger)

    monkeypatch.setattr(module, "MOST_WAITING", 1000)

    async def act() -> None:
        tailer = CountingTailer(bench.ledger)
        follower = await followed(tailer, audit_id)
        tell(bench.ledger, audit_id, *["a"] * 1100)
        heard: list[int] = []

        def taken() -> bool:
            heard.extend(numbers(follower))
            follower.waiting.clear()
            return follower.newest == 1101

        await until(taken)
        assert heard == list(range(2, 1102))
        tailer.unfollow(follower)

    run(act)


def test_one_that_does_not_keep_up_is_lost(bench: Bench) -> None:
    """257 events wait for one that may have 256: nothing waits any more, but the number to go on from is known."""
    audit_id = an_audit(bench.ledger)

    async def act() -> None:
        tailer = CountingTailer(bench.ledger)
        follower = await followed(tailer, audit_id)
        tell(bench.ledger, audit_id, *["a"] * 257)
        await until(lambda: follower.lost)
        assert (follower.waiting, follower.newest) == ([], 258)
        tailer.unfollow(follower)

    run(act)


def test_a_change_of_the_revision_ends_a_wait(bench: Bench) -> None:
    """Soon after it, be it without an event; one that was there before does at once; without one the time runs out."""
    audit_id = an_audit(bench.ledger)

    async def act() -> None:
        tailer = CountingTailer(bench.ledger)
        began = time.monotonic()
        assert await tailer.change(TENANT, audit_id, 1, seconds=0.1)
        assert time.monotonic() - began >= 0.1
        waiting = asyncio.create_task(tailer.change(TENANT, audit_id, 1, seconds=60))
        await asyncio.sleep(3 * PAUSE)
        assert not waiting.done()
        with bench.ledger.writing() as connection:
            connection.exec_driver_sql("UPDATE audits SET revision = revision + 1")
        assert await asyncio.wait_for(waiting, 20)
        assert await asyncio.wait_for(tailer.change(TENANT, audit_id, 1, seconds=60), 20)

    run(act)


def test_a_tenant_has_so_many_streams(bench: Bench) -> None:
    """Streams and waits count together; a wait is then not held, a stream refused; one that ends makes room."""
    audit_id = an_audit(bench.ledger)

    async def act() -> None:
        tailer = CountingTailer(bench.ledger, most=2)
        follower = await followed(tailer, audit_id)
        waiting = asyncio.create_task(tailer.change(TENANT, audit_id, 1, seconds=60))
        await asyncio.sleep(0)
        assert await tailer.change(TENANT, audit_id, 1, seconds=60) is False
        with pytest.raises(TooManyStreams):
            await followed(tailer, audit_id)
        with pytest.raises(NotFound):
            await followed(tailer, "aud_unknown")
        tailer.unfollow(follower)
        again = await followed(tailer, audit_id)
        tailer.close()
        assert await asyncio.wait_for(waiting, 1)
        tailer.unfollow(again)

    run(act)


def test_everybody_is_let_go_at_the_end(bench: Bench) -> None:
    """Followers and waits, those of before and those to come."""
    audit_id = an_audit(bench.ledger)

    async def act() -> None:
        tailer = CountingTailer(bench.ledger)
        before = await followed(tailer, audit_id)
        tailer.close()
        after = await followed(tailer, audit_id)
        assert (before.gone, before.ready.is_set(), after.gone) == (True, True, True)
        assert await tailer.change(TENANT, audit_id, 1, seconds=60) is False
        for follower in (before, after):
            tailer.unfollow(follower)

    run(act)


def test_a_database_that_is_away_delays_and_loses_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """While its table has another name nothing is heard; when it is back, all of it."""
    audit_id = an_audit(bench.ledger)
    monkeypatch.setattr(module, "FAILED_SECONDS", PAUSE)

    def rename(old: str, new: str) -> None:
        with bench.ledger.writing() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")

    async def act() -> None:
        tailer = CountingTailer(bench.ledger)
        follower = await followed(tailer, audit_id)
        tell(bench.ledger, audit_id, "a")
        rename("events", "away")
        looks = len(tailer.looks)
        await until(lambda: len(tailer.looks) > looks + 2)
        rename("away", "events")
        await until(lambda: numbers(follower) == [2])
        tailer.unfollow(follower)

    run(act)


def test_quiet_for_long_is_a_ping(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A follower that hears nothing is to be told that the connection lives, again and again."""
    audit_id = an_audit(bench.ledger)
    monkeypatch.setattr(module, "QUIET_SECONDS", 3 * PAUSE)

    async def act() -> None:
        tailer = CountingTailer(bench.ledger)
        follower = await followed(tailer, audit_id)
        for _ in range(2):
            await until(lambda: follower.ping)
            follower.ping = False
        tailer.unfollow(follower)

    run(act)


def test_history_is_read_for_many_at_once(bench: Bench) -> None:
    """Two positions in one audit, and one that is not there, in one look."""
    audit_id = an_audit(bench.ledger)
    tell(bench.ledger, audit_id, "a", "b")
    forget(bench.ledger, audit_id, 2)

    async def act() -> None:
        tailer = CountingTailer(bench.ledger)
        asked = [Position(TENANT, audit_id, 0), Position(TENANT, audit_id, 2), Position(TENANT, "aud_unknown", 0)]
        found = await asyncio.gather(*(tailer.history(position) for position in asked), return_exceptions=True)
        assert [[event.seq for event in news.events] for news in found if isinstance(news, News)] == [[2, 3], [3]]
        assert isinstance(found[2], NotFound)
        assert tailer.looks == [3]

    run(act)
