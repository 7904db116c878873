"""Batches in parts that fit into memory: what does not fit is halved and tried again, and the size is remembered.

part ← the next min(most, rows left) rows
out of memory:  most ← ⌊rows of the part / 2⌋, the same rows again;  one row that does not fit is given up
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from worker.engine.errors import OutOfMemory

Result = TypeVar("Result")


@dataclass
class Parts:
    """How many rows of a batch pass at once; only ever falls."""

    most: int

    def of(self, rows: int, perform: Callable[[slice], Result]) -> list[Result]:
        """What ``perform`` makes of rows 0 … ``rows`` − 1, part by part, in order.

        It may be called again for rows it failed at, and must leave nothing behind when it raises OutOfMemory. Raises
        OutOfMemory when a single row does not fit.
        """
        results: list[Result] = []
        start = 0
        while start < rows:
            part = slice(start, min(start + self.most, rows))
            try:
                with fitting(part.stop - part.start):
                    results.append(perform(part))
                start = part.stop
            except OutOfMemory:
                if part.stop - part.start == 1:
                    raise
                self.most = (part.stop - part.start) // 2
        return results


@contextmanager
def fitting(rows: int) -> Iterator[None]:
    """Whatever says that memory is exhausted, torch on either device or Python itself, is OutOfMemory."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_exhausted(error):
            raise
        raise OutOfMemory(f"{rows} rows did not fit") from error


def _is_exhausted(error: RuntimeError | MemoryError) -> bool:
    # torch's allocator of ordinary memory has no exception of its own.
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)
