"""How far audits are, for an event loop: the one question that is asked for every poll.

On PostgreSQL it is asked over a connection of the loop's own, kept open and outside any transaction: one statement, one
round trip, and no thread to hand the interpreter to and fro. SQLite answers within the process, in a thread.
"""

import asyncio
from collections.abc import Collection
from typing import Any

import psycopg
from psycopg.types.json import Json
from sqlalchemy.exc import OperationalError

from ledger import events
from ledger.database import UNREACHABLE, Ledger
from ledger.events import Mark

Key = tuple[str, str]


class Lookout:
    """For one loop, and one question at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._line = Line(ledger) if ledger.engine.dialect.name == "postgresql" else None

    async def marks(self, wanted: Collection[Key]) -> dict[Key, Mark]:
        """As ``events.marks``, as of now. Raises what is in ``UNREACHABLE``."""
        if self._line is None:
            return await asyncio.to_thread(self._look, wanted)
        if self._line.is_open:
            try:
                return await self._line.marks(wanted)
            except UNREACHABLE:
                await self._line.close()
        return await self._line.marks(wanted)

    async def close(self) -> None:
        """Give the connection back; the next question opens another."""
        if self._line is not None:
            await self._line.close()

    def _look(self, wanted: Collection[Key]) -> dict[Key, Mark]:
        with self._ledger.reading() as connection:
            return events.marks(connection, wanted)


class Line:
    """A connection to PostgreSQL that is opened when it is needed."""

    def __init__(self, ledger: Ledger) -> None:
        engine = ledger.engine
        self._arguments: dict[str, Any] = dict(engine.dialect.create_connect_args(engine.url)[1])
        question = events.select_marks("postgresql").compile(dialect=engine.dialect)
        self._statement, self._parameters = question.string.encode(), question.params
        self._connection: psycopg.AsyncConnection | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, be it one that has been lost meanwhile."""
        return self._connection is not None

    async def marks(self, wanted: Collection[Key]) -> dict[Key, Mark]:
        """As ``events.marks``."""
        try:
            if self._connection is None:
                self._connection = await psycopg.AsyncConnection.connect(**self._arguments, autocommit=True)
            listed = Json([list(key) for key in set(wanted)])
            asked = await self._connection.execute(
                self._statement, {**self._parameters, "listed": listed}, prepare=True
            )
            rows = await asked.fetchall()
        except psycopg.Error as error:
            raise OperationalError("marks", None, error) from error
        return {(row[0], row[1]): Mark(*row[2:]) for row in rows}

    async def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
