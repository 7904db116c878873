"""Which keys are good: for everybody who asks at the same moment one indexed read, and then kept for a few seconds.

So a poll costs no read of its own, and a key that is revoked goes on for ``GOOD_SECONDS`` at most on a gateway that has
just seen it. A prefix nobody has is asked for each time, together with whoever asks at the moment, and never kept:
nobody can push the others' keys out by guessing.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from ledger import keys
from ledger.database import FAILED, Ledger
from ledger.keys import Lock
from ledger.lookout import Lookout
from palimpsest.api_key import ApiKey
from service.observability import cause
from service.together import Together, in_thread

log = structlog.get_logger()

GOOD_SECONDS = 5.0
"""For so long a key is taken to be what it was."""

NOTED_SECONDS = 60.0
"""The use of a key is written down once in so long."""

MOST_KEPT = 1000
"""Keys that are kept, those read longest ago forgotten first."""

Names = tuple[str, str]
"""A tenant, and the id of a key."""


@dataclass(frozen=True)
class Seen:
    """A key as it was at a moment, by this process's clock."""

    lock: Lock
    at: float

    def is_fresh(self, now: float) -> bool:
        """Whether it need not be read again."""
        return now - self.at < GOOD_SECONDS

    def is_good(self, now: float) -> bool:
        """Neither revoked by then nor expired by now."""
        return self.lock.left is None or now - self.at < self.lock.left


class Keyring:
    """Lives on the event loop."""

    def __init__(self, ledger: Ledger, lookout: Lookout) -> None:
        self._ledger, self._lookout = ledger, lookout
        self._locks: Together[str, Lock | None] = Together(self._read)
        self._looks: Together[None, bool] = Together(self._look)
        self._notes: Together[Names, None] = Together(in_thread(self._note))
        self._kept: OrderedDict[str, Seen] = OrderedDict()
        self._noting: set[asyncio.Task[None]] = set()
        self._any, self._looked_at = False, -GOOD_SECONDS

    async def holder(self, key: ApiKey) -> Lock | None:
        """The lock that this key opens; None for a key that nobody has or that is not good any more."""
        seen = self._kept.get(key.prefix)
        if seen is None or not seen.is_fresh(time.monotonic()):
            seen = await self._fresh(key.prefix)
        if seen is None or not seen.lock.fits(key.secret) or not seen.is_good(time.monotonic()):
            return None
        return seen.lock

    async def any(self) -> bool:
        """Whether there has ever been a key; once there was, for good."""
        if not self._any and time.monotonic() - self._looked_at >= GOOD_SECONDS:
            asked_at = time.monotonic()
            self._any, self._looked_at = await self._looks.ask(None), asked_at
        return self._any

    def forget(self) -> None:
        """Something has changed: from now on everything is as it is in the ledger."""
        self._kept.clear()
        self._looked_at = -GOOD_SECONDS

    async def close(self) -> None:
        """The gateway has ended."""
        await asyncio.gather(*self._noting)

    async def _fresh(self, prefix: str) -> Seen | None:
        asked_at = time.monotonic()
        lock = await self._locks.ask(prefix)
        if lock is None:
            self._kept.pop(prefix, None)
            return None
        seen = self._kept[prefix] = Seen(lock, asked_at)
        self._kept.move_to_end(prefix)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        if seen.is_good(asked_at) and (lock.unused is None or lock.unused > NOTED_SECONDS):
            self._is_used(lock)
        return seen

    def _is_used(self, lock: Lock) -> None:
        """Nobody waits for this to be written down."""
        noting = asyncio.create_task(self._noted((lock.tenant, lock.id)))
        self._noting.add(noting)
        noting.add_done_callback(self._noting.discard)

    async def _noted(self, names: Names) -> None:
        try:
            await self._notes.ask(names)
        except FAILED as error:
            log.warning("use of a key was not noted", key=names[1], cause=cause(error))

    async def _read(self, prefixes: Sequence[str]) -> list[Lock | Exception | None]:
        found = await self._lookout.locks(prefixes)
        return [found.get(prefix) for prefix in prefixes]

    async def _look(self, asked: Sequence[None]) -> list[bool | Exception]:
        return [await self._lookout.any_key()] * len(asked)

    def _note(self, asked: Sequence[Names]) -> list[Exception | None]:
        self._ledger.write(lambda connection: keys.used(connection, asked))
        return [None] * len(asked)
