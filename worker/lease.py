"""Holding a unit while working on it: a thread renews the lease, but only while the work advances."""

import threading
from types import TracebackType

from ledger import units
from ledger.database import UNREACHABLE, Ledger
from ledger.errors import StaleFence
from ledger.units import Ticket
from worker.engine.errors import Cancelled


class Lease:
    """A context manager around one unit. ``tick`` is the engine's watch: call it between denoising steps.

    ``expected`` is how many rows the work is thought to pass through the denoiser; progress is the share done.
    """

    def __init__(self, ledger: Ledger, ticket: Ticket, seconds: float) -> None:
        self._ledger, self._ticket, self._seconds = ledger, ticket, seconds
        self._done = 0
        self._renewed_at = -1
        self._stop = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self.expected = 0
        self.lost = False

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def tick(self, rows: int) -> None:
        """The work has advanced. Raises Cancelled when it should stop."""
        self._done += max(rows, 1)
        if self._stop.is_set():
            raise Cancelled

    @property
    def progress(self) -> float:
        """Share of the expected rows, never quite 1 before the unit is finished."""
        return min(0.99, self._done / self.expected) if self.expected else 0.0

    def _keep(self) -> None:
        while not self._end.wait(min(self._seconds / 4, 2.0)):
            done = self._done
            if done == self._renewed_at:
                continue
            try:
                with self._ledger.writing() as connection:
                    wanted = units.renew(connection, self._ticket, lease_seconds=self._seconds, progress=self.progress)
            except StaleFence:
                self.lost = True
                wanted = False
            except UNREACHABLE:
                continue
            self._renewed_at = done
            if not wanted:
                self._stop.set()
                return
