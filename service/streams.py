"""A stream of one audit's events: its history from the ledger, then what the tailer hears, until the audit ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ledger.database import UNREACHABLE
from ledger.events import News, Position
from palimpsest.contract.status import TERMINAL
from service import frames
from service.standings import Standings
from service.tailer import Follower, Tailer


def begins_after(news: News, seq: int) -> bool:
    """Whether what follows ``seq`` is all there. Numbers have no gaps: where one is missing, history is gone.

    A number beyond the last event is one of another history, say of a ledger that was restored.
    """
    if news.events:
        return news.events[0].seq == seq + 1
    return news.mark.last_seq == seq


class EventStream(Response):
    """Sends ``chunks`` until they end or nobody listens any more, and then unfollows.

    It holds a task and a queue; a disconnected client is noticed at once, not at the next event.
    """

    media_type = "text/event-stream"

    def __init__(self, tailer: Tailer, follower: Follower, chunks: AsyncIterator[bytes]) -> None:
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no", "Vary": "Accept"})
        del self.headers["content-length"]
        self._tailer, self._follower, self._chunks = tailer, follower, chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Serve one request."""
        listening = asyncio.create_task(self._listen(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for chunk in self._chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            listening.cancel()
            self._tailer.unfollow(self._follower)

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._follower.leave()


class Following:
    """What one follower is told, from the event behind ``seq``, for as long as they ``may``: a key can be revoked."""

    def __init__(
        self,
        standings: Standings,
        tailer: Tailer,
        follower: Follower,
        seq: int,
        *,
        may: Callable[[], Awaitable[bool]],
    ) -> None:
        self._standings, self._tailer, self._follower = standings, tailer, follower
        self._seq, self._may = seq, may

    async def chunks(self, news: News) -> AsyncIterator[bytes]:
        """The history, of which ``news`` is the first page, then everything new; ends with the audit.

        It also ends where the database does not answer: the client comes back with the last id it has.
        """
        try:
            async for chunk in self._history(news):
                yield chunk
            async for chunk in self._live():
                yield chunk
        except UNREACHABLE:
            return

    async def _history(self, news: News) -> AsyncIterator[bytes]:
        while not self._follower.gone:
            if not begins_after(news, self._seq):
                yield await self._reset("HISTORY_GONE", news.mark.last_seq)
            elif news.events:
                self._seq = news.events[-1].seq
                yield b"".join(frames.framed(event).content for event in news.events)
            if news.mark.state in TERMINAL and self._seq >= news.mark.last_seq:
                self._follower.leave()
            elif self._seq >= self._follower.newest:
                self._follower.live = True
                return
            else:
                news = await self._tailer.history(Position(*self._follower.key, self._seq))

    async def _live(self) -> AsyncIterator[bytes]:
        follower = self._follower
        while not follower.gone:
            await follower.ready.wait()
            follower.ready.clear()
            if not await self._may():
                return
            if follower.lost:
                yield await self._reset("TOO_SLOW", follower.newest)
                return
            fresh = [frame for frame in follower.waiting if frame.seq > self._seq]
            follower.waiting.clear()
            if fresh:
                self._seq = fresh[-1].seq
                yield b"".join(frame.content for frame in fresh)
                if fresh[-1].ends:
                    return
            elif follower.ping:
                yield frames.PING
            follower.ping = False

    async def _reset(self, reason: frames.Reason, seq: int) -> bytes:
        told = await self._standings.told(*self._follower.key)
        self._seq = seq
        return frames.reset(reason, told.body, seq)
