"""A worker's sign of life in the ledger, so that a status can say whether anyone is there for what waits."""

import threading
from collections.abc import Collection
from types import TracebackType

from ledger import workers
from ledger.database import UNREACHABLE, Ledger


class Presence:
    """A context manager: while it lasts a thread writes this worker's row again and again, at its end the row goes."""

    def __init__(
        self, ledger: Ledger, tenant: str, *, owner: str, engine: str, families: Collection[str], seconds: float
    ) -> None:
        self._ledger, self._tenant, self._owner = ledger, tenant, owner
        self._engine, self._families, self._seconds = engine, families, seconds
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._appear, name="presence", daemon=True)

    def __enter__(self) -> "Presence":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _appear(self) -> None:
        while True:
            try:
                with self._ledger.writing() as connection:
                    workers.seen(
                        connection, self._tenant, owner=self._owner, engine=self._engine, families=self._families
                    )
            except UNREACHABLE:
                pass  # it is not seen meanwhile, which is what the row is for
            if self._end.wait(self._seconds):
                break
        try:
            with self._ledger.writing() as connection:
                workers.gone(connection, self._tenant, owner=self._owner)
        except UNREACHABLE:
            pass  # the row grows old
