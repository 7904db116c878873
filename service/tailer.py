"""One reader for all who follow audits: a task that asks the ledger what is new, and hands it round.

Every ``pause`` seconds it reads, in one indexed query, whatever is new of all audits that anybody follows; while nobody
follows any there is no task. A follower has a bounded queue and no database connection. One that does not keep up is
told so (``lost``) and what was waiting for it is dropped: it can read the history again at its own pace.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from ledger import events
from ledger.database import FAILED, Ledger
from ledger.errors import NotFound
from ledger.events import Mark, News, Position
from palimpsest.contract.problems import Code
from service.errors import Refusal
from service.frames import Frame, framed
from service.observability import cause
from service.together import Together, in_thread, tell

log = structlog.get_logger()

MOST_WAITING = 256
"""Events that wait for a follower before it is lost."""

QUIET_SECONDS = 15.0
"""After so long without a word a follower is to be told that the connection lives."""

FAILED_SECONDS = 1.0
"""Between two looks at a database that did not answer."""

NO_EVENTS = 2**30
"""A number no event has."""

UNREAD = -1
"""A revision no audit has."""

Key = tuple[str, str]


@dataclass(eq=False)
class Follower:
    """Somebody who follows an audit: events wait here once it is ``live``, before that only the newest number is noted.

    ``ready`` is set whenever there is something to do: events, a ``ping`` that is due, or the end.
    """

    key: Key
    newest: int = 0
    live: bool = False
    waiting: list[Frame] = field(default_factory=list)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    ping: bool = False
    lost: bool = False
    gone: bool = False
    heard_at: float = field(default_factory=time.monotonic)

    def hand(self, told: list[Frame]) -> None:
        """Let these wait for the follower, or lose it."""
        self.newest = max(self.newest, told[-1].seq)
        if not self.live:
            return
        self.waiting += told
        if len(self.waiting) > MOST_WAITING:
            self.lost = True
            self.waiting.clear()
        self.heard_at = time.monotonic()
        self.ready.set()

    def stir(self, now: float) -> None:
        """Ask for a ping if it has been quiet for long."""
        if now - self.heard_at > QUIET_SECONDS:
            self.ping, self.heard_at = True, now
            self.ready.set()

    def leave(self) -> None:
        """Nobody is there any more, or is to be."""
        self.gone = True
        self.ready.set()


@dataclass(eq=False)
class Watched:
    """An audit that is followed: how far it was read, and who is to be told. Without followers no events are read."""

    revision: int
    seq: int = NO_EVENTS
    followers: set[Follower] = field(default_factory=set)
    waiters: "dict[asyncio.Future[None], int]" = field(default_factory=dict)

    def join(self, follower: Follower, mark: Mark) -> None:
        """Read events for a follower too, from where the first of them begins."""
        if not self.followers:
            self.seq, self.revision = mark.last_seq, mark.revision
        follower.newest = max(self.seq, mark.last_seq)
        self.followers.add(follower)

    def hear(self, news: News) -> None:
        """Hand round what was read."""
        self.revision = news.mark.revision
        if news.events and self.followers:
            self.seq = news.events[-1].seq
            if self.seq < news.mark.last_seq:
                self.revision = UNREAD  # there were more than are read at once
            told = [framed(event) for event in news.events]
            for follower in self.followers:
                follower.hand(told)
        for waiter, revision in self.waiters.items():
            if revision != news.mark.revision:
                tell(waiter, None)


class TooManyStreams(Refusal):
    """The tenant follows as many audits as it may."""

    def __init__(self, most: int) -> None:
        detail = f"{most} streams are open; close one, or poll"
        super().__init__(Code.TOO_MANY_STREAMS, detail, headers={"Retry-After": "5"})


class Tailer:
    """Follows audits for one gateway; all of it runs on the event loop, but for the queries."""

    def __init__(self, ledger: Ledger, *, pause: float, most: int) -> None:
        self._ledger, self._pause, self._most = ledger, pause, most
        self._watched: dict[Key, Watched] = {}
        self._by_tenant: Counter[str] = Counter()
        self._history: Together[Position, News] = Together(in_thread(self._read_history), most=20)
        self._tailing: asyncio.Task[None] | None = None
        self.closed = False

    @property
    def followed(self) -> int:
        """How many streams and waits there are."""
        return self._by_tenant.total()

    async def history(self, position: Position) -> News:
        """The events that follow, a page of them, and how far the audit is. Raises NotFound."""
        return await self._history.ask(position)

    def follow(self, tenant: str, audit_id: str, mark: Mark) -> Follower:
        """Begin to follow an audit that is known to be this far; ``unfollow`` ends it. Raises TooManyStreams."""
        if not self._has_room(tenant):
            raise TooManyStreams(self._most)
        follower = Follower((tenant, audit_id), gone=self.closed)
        self._enter(follower.key, mark.revision).join(follower, mark)
        return follower

    def unfollow(self, follower: Follower) -> None:
        """Follow no longer."""
        watched = self._watched[follower.key]
        watched.followers.remove(follower)
        if not watched.followers:
            watched.seq = NO_EVENTS
        self._leave(follower.key)

    async def change(self, tenant: str, audit_id: str, revision: int, seconds: float) -> bool:
        """Wait for another revision, or until the time is over; False, and no wait, where there is no room for one."""
        if self.closed or not self._has_room(tenant):
            return False
        key = tenant, audit_id
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        watched = self._enter(key, revision)
        watched.waiters[changed] = revision
        try:
            if watched.revision <= revision:
                await asyncio.wait([changed], timeout=seconds)
        finally:
            del watched.waiters[changed]
            self._leave(key)
        return True

    def close(self) -> None:
        """Let everybody go, now and from now on: the gateway is about to end."""
        self.closed = True
        for watched in self._watched.values():
            for follower in watched.followers:
                follower.leave()
            for waiter in watched.waiters:
                tell(waiter, None)

    def _has_room(self, tenant: str) -> bool:
        return self._by_tenant[tenant] < self._most

    def _enter(self, key: Key, revision: int) -> Watched:
        self._by_tenant[key[0]] += 1
        if self._tailing is None or self._tailing.done():
            self._tailing = asyncio.create_task(self._tail())
        return self._watched.setdefault(key, Watched(revision))

    def _leave(self, key: Key) -> None:
        self._by_tenant[key[0]] -= 1
        watched = self._watched[key]
        if not watched.followers and not watched.waiters:
            del self._watched[key]

    async def _tail(self) -> None:
        while self._watched:
            await asyncio.sleep(self._pause)
            positions = [Position(*key, watched.seq, watched.revision) for key, watched in self._watched.items()]
            try:
                self._hand_round(await asyncio.get_running_loop().run_in_executor(None, self._read, positions))
            except FAILED as error:
                log.warning("events were not read", cause=cause(error))
                self._hand_round({})
                await asyncio.sleep(FAILED_SECONDS)
            except Exception:  # whatever it is, those who follow must not be left without anybody who reads
                log.exception("events were not handed on")
                await asyncio.sleep(FAILED_SECONDS)

    def _hand_round(self, found: dict[Position, News]) -> None:
        for position, news in found.items():
            watched = self._watched.get((position.tenant, position.audit_id))
            if watched is not None and (watched.seq, watched.revision) == (position.seq, position.revision):
                watched.hear(news)
        now = time.monotonic()
        for watched in self._watched.values():
            for follower in watched.followers:
                follower.stir(now)

    def _read(self, positions: Sequence[Position]) -> dict[Position, News]:
        with self._ledger.reading() as connection:
            return events.news(connection, positions)

    def _read_history(self, positions: Sequence[Position]) -> list[News | Exception]:
        found = self._read(positions)
        return [found.get(position) or NotFound(position.audit_id) for position in positions]
