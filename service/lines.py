"""Log lines of a busy process: rendered fast and written together, by a thread of their own.

A write to standard output for every request costs more than looking the answer up. Lines wait for up to ``PAUSE``
seconds, and are written when the process ends; if it is killed, those of the last moment are lost.
"""

import atexit
import sys
import threading
import time
from collections.abc import MutableMapping
from typing import Any, BinaryIO

import structlog
from pydantic_core import to_json

PAUSE = 0.05
MOST = 10_000
"""Lines that wait at most: with more, whoever logs writes them, and so is slowed down to what the reader takes."""


class Lines:
    """A structlog logger that keeps lines for a moment."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._waiting: list[bytes] = []
        self._some = threading.Event()
        self._writing = threading.Lock()
        threading.Thread(target=self._run, name="log lines", daemon=True).start()

    def keep(self, line: bytes) -> None:
        """Write this line soon."""
        self._waiting.append(line)
        if not self._some.is_set():
            self._some.set()
        if len(self._waiting) > MOST:
            self.write()

    debug = info = warning = error = critical = keep

    def write(self) -> None:
        """Write what is waiting."""
        with self._writing:
            lines, self._waiting = self._waiting, []
            if lines:
                self._out.write(b"\n".join(lines) + b"\n")
                self._out.flush()

    def _run(self) -> None:
        while True:
            self._some.wait()
            time.sleep(PAUSE)
            self._some.clear()
            self.write()


def rendered(_: object, __: str, event: MutableMapping[str, Any]) -> bytes:
    """The last of structlog's processors: one line of JSON."""
    return to_json(event, fallback=repr, inf_nan_mode="constants")


def keep_lines() -> None:
    """Log as configured, but this way. For a whole process, from now on."""
    lines = Lines(sys.stdout.buffer)
    atexit.register(lines.write)
    processors = [*structlog.get_config()["processors"][:-1], rendered]
    structlog.configure(processors=processors, logger_factory=lambda *_: lines, cache_logger_on_first_use=True)
