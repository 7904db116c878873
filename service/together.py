"""Answering together whoever asks at the same moment: one statement, one transaction, for many requests.

A statement costs the gateway far more than a row of it, so that under load it is the requests, not the rows, that have
to share. Nobody waits for company: a call is begun as soon as the one before it has ended, with all who have asked by
then, be it one. An answer is never older than its question.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")
Answers = Sequence[A | Exception]


class Together(Generic[Q, A]):
    """``call`` takes up to ``most`` questions and gives one answer or one error for each, in order.

    What it raises is raised for everybody who asked. Between two calls it rests for ``rest`` times as long as the first
    took, and not more than a second: work that is not urgent leaves the others their time.
    """

    def __init__(self, call: Callable[[list[Q]], Awaitable[Answers[A]]], *, most: int = 100, rest: float = 0.0) -> None:
        self._call, self._most, self._rest = call, most, rest
        self._asked: list[tuple[Q, asyncio.Future[A]]] = []
        self._answering: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A:
        """The answer to one question; raises the error that is given for it."""
        answered: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._asked.append((question, answered))
        if self._answering is None or self._answering.done():
            self._answering = asyncio.create_task(self._answer())
        return await answered

    async def _answer(self) -> None:
        while self._asked:
            batch, self._asked = self._asked[: self._most], self._asked[self._most :]
            began = time.monotonic()
            (outcome,) = await asyncio.gather(self._called([question for question, _ in batch]), return_exceptions=True)
            answers = [outcome] * len(batch) if isinstance(outcome, BaseException) else outcome
            for (_, answered), answer in zip(batch, answers, strict=True):
                tell(answered, answer)
            if self._rest:
                await asyncio.sleep(min(self._rest * (time.monotonic() - began), 1.0))

    async def _called(self, questions: list[Q]) -> Answers[A]:
        answers = await self._call(questions)
        if len(answers) != len(questions):
            raise ValueError(f"{len(questions)} questions got {len(answers)} answers")
        return answers


def in_thread(call: Callable[[list[Q]], Answers[A]]) -> Callable[[list[Q]], Awaitable[Answers[A]]]:
    """The same call, off the event loop."""

    def called(asked: list[Q]) -> Awaitable[Answers[A]]:
        return asyncio.get_running_loop().run_in_executor(None, call, asked)

    return called


def tell(answered: "asyncio.Future[A]", answer: A | BaseException) -> None:
    """Give the answer to whoever still waits for it."""
    if answered.done():
        return
    if isinstance(answer, BaseException):
        answered.set_exception(answer)
    else:
        answered.set_result(answer)
