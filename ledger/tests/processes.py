"""Real processes, two or more, that begin at the same moment and meet again whenever they want to."""

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
    """Wait, within the work, until every other process is here too."""
    _barrier.wait(120)


def _start(work: Callable[..., Any], *arguments: Any) -> Any:
    meet()
    return work(*arguments)


def at_once(work: Callable[..., Any], *arguments: Any, each: Iterable[Any] | None = None) -> list[Any]:
    """What ``work`` returns in each of two processes, or of as many as ``each`` gives a last argument of its own."""
    lasts = [(), ()] if each is None else [(last,) for last in each]
    many, barrier = len(lasts), _spawn.Barrier(len(lasts))
    with ProcessPoolExecutor(many, mp_context=_spawn, initializer=_hand_over, initargs=(barrier,)) as pool:
        running = [pool.submit(_start, work, *arguments, *last) for last in lasts]
        return [future.result(240) for future in running]
