"""Two real processes that begin at the same moment."""

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier
from typing import Any

_spawn = multiprocessing.get_context("spawn")
_barrier: Barrier


def _hand_over(barrier: Barrier) -> None:
    global _barrier  # noqa: PLW0603 a barrier can only be handed to a process at its birth
    _barrier = barrier


def meet() -> None:
    """Wait, within the work, until the other process is here too."""
    _barrier.wait(120)


def _start(work: Callable[..., Any], *arguments: Any) -> Any:
    meet()
    return work(*arguments)


def at_once(work: Callable[..., Any], *arguments: Any, each: Iterable[Any] | None = None) -> list[Any]:
    """What ``work`` returns in each of two processes; ``each`` gives either a last argument of its own."""
    lasts = [(), ()] if each is None else [(last,) for last in each]
    with ProcessPoolExecutor(2, mp_context=_spawn, initializer=_hand_over, initargs=(_spawn.Barrier(2),)) as pool:
        running = [pool.submit(_start, work, *arguments, *last) for last in lasts]
        return [future.result(240) for future in running]
