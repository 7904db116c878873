"""Questions that are answered together: how many calls there are, and who hears what."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Sequence

import pytest

from service.together import Together, in_thread


def test_whoever_asks_meanwhile_shares_the_next_call() -> None:
    """One asks and is asked for; five come while that goes on, and share the second call, each with its own answer."""
    calls: list[list[int]] = []
    go_on = threading.Event()

    def doubled(asked: Sequence[int]) -> list[int | Exception]:
        calls.append(list(asked))
        go_on.wait(10)
        return [2 * number for number in asked]

    async def ask() -> list[int]:
        together: Together[int, int] = Together(in_thread(doubled))
        first = asyncio.create_task(together.ask(1))
        while not calls:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(together.ask(number)) for number in range(2, 7)]
        await asyncio.sleep(0)
        go_on.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(ask()) == [2, 4, 6, 8, 10, 12]
    assert calls == [[1], [2, 3, 4, 5, 6]]


def test_a_call_has_so_many_questions_at_most() -> None:
    """Seven questions, three at a time."""
    sizes: list[int] = []

    def counted(asked: Sequence[int]) -> list[int | Exception]:
        sizes.append(len(asked))
        return list(asked)

    async def ask() -> list[int]:
        together: Together[int, int] = Together(in_thread(counted), most=3)
        return list(await asyncio.gather(*(together.ask(number) for number in range(7))))

    assert asyncio.run(ask()) == list(range(7))
    assert sizes == [3, 3, 1]


def test_an_error_is_of_one_or_of_all() -> None:
    """What is given for one question is raised for it alone; what the call raises, for all of that call."""

    def answered(asked: Sequence[str]) -> list[str | Exception]:
        if "everyone" in asked:
            raise ZeroDivisionError
        return [KeyError(word) if word == "wrong" else word for word in asked]

    async def ask(*words: str) -> list[object]:
        together: Together[str, str] = Together(in_thread(answered))
        return list(await asyncio.gather(*(together.ask(word) for word in words), return_exceptions=True))

    right, wrong = asyncio.run(ask("right", "wrong"))
    assert (right, type(wrong)) == ("right", KeyError)
    assert [type(answer) for answer in asyncio.run(ask("a", "everyone"))] == [ZeroDivisionError] * 2


def test_who_has_left_is_not_told() -> None:
    """A question that was given up harms nobody else."""

    async def ask() -> int:
        together: Together[int, int] = Together(in_thread(list))
        impatient = asyncio.create_task(together.ask(1))
        patient = asyncio.create_task(together.ask(2))
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        return await patient

    assert asyncio.run(ask()) == 2


def test_it_rests_between_calls() -> None:
    """Each call takes 20 ms and the rest is three times as long: three calls in a row need 2 · 80 + 20 ms at least."""
    sizes: list[int] = []

    def slow(asked: Sequence[int]) -> list[int | Exception]:
        sizes.append(len(asked))
        time.sleep(0.02)
        return list(asked)

    async def ask() -> float:
        together: Together[int, int] = Together(in_thread(slow), most=1, rest=3)
        began = time.monotonic()
        await asyncio.gather(*(together.ask(number) for number in range(3)))
        return time.monotonic() - began

    assert asyncio.run(ask()) >= 0.18
    assert sizes == [1, 1, 1]


@pytest.mark.parametrize("fault", ["raises before it is awaited", "answers too few"])
def test_a_call_that_is_out_of_order_leaves_nobody_waiting(fault: str) -> None:
    """Both who asked are told; and the next question is asked again."""

    async def few(asked: Sequence[int]) -> list[int | Exception]:
        return [0] if len(asked) == 2 else [7]

    def call(asked: list[int]) -> Awaitable[list[int | Exception]]:
        if fault.startswith("raises") and len(asked) == 2:
            raise ValueError("at once")
        return few(asked)

    async def ask() -> list[int | BaseException]:
        together: Together[int, int] = Together(call)
        both = await asyncio.wait_for(asyncio.gather(together.ask(1), together.ask(2), return_exceptions=True), 10)
        return [*both, await asyncio.wait_for(together.ask(3), 10)]

    first, second, third = asyncio.run(ask())
    assert (type(first), type(second), third) == (ValueError, ValueError, 7)
