"""Holding a unit while working on it: a thread renews the lease, but only while the work advances."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from ledger import units
from ledger.database import UNREACHABLE, Ledger
from ledger.errors import StaleFence
from ledger.units import Ticket
from worker.engine.errors import Cancelled, EngineError

LOOK_SECONDS = 0.2
"""Between two looks whether the worker is leaving."""


class TimedOut(EngineError):
    """The unit has taken longer than a unit may; another worker may be faster."""

    code = "UNIT_TIMED_OUT"
    again = True


class Lease:
    """A context manager around one unit. ``tick`` is the engine's watch: call it between denoising steps.

    ``expected`` is how many rows the work is thought to pass through the denoiser, ``forwards`` how many have come so
    far; progress is the share done, of a training the share of its steps (``step``), of which this lease has seen
    ``steps``. When the worker is ``leaving`` the unit goes back to the queue at once, without waiting for the next
    tick. ``advanced`` is called whenever there is a reason to renew. Afterwards ``lost`` says that somebody else may
    have the unit, and ``returned`` that it was given back.
    """

    def __init__(
        self,
        ledger: Ledger,
        ticket: Ticket,
        seconds: float,
        *,
        soft_seconds: float = math.inf,
        leaving: Callable[[], bool] = lambda: False,
        advanced: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger, self._ticket, self._seconds = ledger, ticket, seconds
        self._soft_seconds, self._leaving, self._advanced = soft_seconds, leaving, advanced
        self._started = time.monotonic()
        self._done = 0
        self._renewed_at = -1
        self._stop = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self.expected = 0
        self.forwards = 0
        self.steps = 0
        self._stepped: float | None = None
        self._kept = False
        self.lost = False
        self.returned = False

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def tick(self, rows: int) -> None:
        """The work has advanced. Raises Cancelled when it should stop, TimedOut when it has taken too long."""
        self._done += max(rows, 1)
        self.forwards += rows
        if self._stop.is_set():
            raise Cancelled
        seconds = time.monotonic() - self._started
        if seconds > self._soft_seconds:
            raise TimedOut(f"not done after {seconds:.0f} s")

    def step(self, done: int, of: int) -> None:
        """A training has taken the ``done``-th of so many steps; raises as ``tick`` does."""
        self.steps += 1
        self._stepped = done / of
        self.tick(0)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Inside the block the lease is renewed though nothing ticks, for a large blob is written or read in one go."""
        self._kept = True
        try:
            yield
        finally:
            self._kept = False

    @property
    def progress(self) -> float:
        """Share of the steps of a training, or of the expected rows; never quite 1 before the unit is finished."""
        if self._stepped is not None:
            return min(0.99, self._stepped)
        return min(0.99, self._done / self.expected) if self.expected else 0.0

    def _keep(self) -> None:
        pause = min(self._seconds / 4, 2.0)
        due = time.monotonic() + pause
        while not self._end.wait(min(pause, LOOK_SECONDS)):
            if self._leaving():
                self._give_back()
            elif time.monotonic() >= due:
                due = time.monotonic() + pause
                self._renew()
            if self._stop.is_set():
                return

    def _renew(self) -> None:
        done = self._done
        if done == self._renewed_at and not self._kept:
            return
        self._advanced()
        try:
            with self._ledger.writing() as connection:
                wanted = units.renew(connection, self._ticket, lease_seconds=self._seconds, progress=self.progress)
        except StaleFence:
            self.lost = True
            self._stop.set()
        except UNREACHABLE:
            pass  # tried again after the next pause
        else:
            self._renewed_at = done
            if not wanted:
                self._stop.set()

    def _give_back(self) -> None:
        try:
            with self._ledger.writing() as connection:
                units.give_back(connection, self._ticket)
            self.returned = True
        except (StaleFence, *UNREACHABLE):
            self.lost = True  # or the lease runs out by itself
        self._stop.set()
