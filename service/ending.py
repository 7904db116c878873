"""Hearing that the process is asked to end, before the server waits for its open connections.

ASGI tells an application so only afterwards, and a stream has no end of its own.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def at_the_end(act: Callable[[], None]) -> Iterator[None]:
    """Do ``act`` on the running event loop at the first of ``SIGNALS``, and then what would have been done.

    Signals are the main thread's: elsewhere, as under a test client, ``act`` is done when the context ends.
    """
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        yield
        act()
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def heard(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act)
        then = before[signal.Signals(number)]
        if callable(then):
            then(number, frame)

    for number in SIGNALS:
        signal.signal(number, heard)
    yield
    for number, then in before.items():
        if signal.getsignal(number) is heard:
            signal.signal(number, then)
