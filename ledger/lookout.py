"""Small questions for an event loop, which are asked for polls and for submissions: how far, which edition, who.

On PostgreSQL they are asked over a connection of the loop's own, kept open and outside any transaction: one statement,
one round trip, and no thread to hand the interpreter to and fro. SQLite answers within the process, in a thread.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import psycopg
from psycopg.types.json import Json
from sqlalchemy import Select
from sqlalchemy.exc import OperationalError

from ledger import catalogue, events, keys
from ledger.database import UNREACHABLE, Ledger
from ledger.events import Mark
from ledger.keys import Lock

Key = tuple[str, str]
Rows = Sequence[Sequence[Any]]


class Lookout:
    """For one loop. Raises what is in ``UNREACHABLE``; a connection that was lost is replaced once before it does."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        dialect = ledger.engine.dialect.name
        self._line = Line(ledger) if dialect == "postgresql" else None
        self._marks, self._edition = events.select_marks(dialect), catalogue.select_edition()
        self._locks, self._any_key = keys.select_locks(dialect), keys.select_any()

    async def marks(self, wanted: Collection[Key]) -> dict[Key, Mark]:
        """How far each of these (tenant, audit id) is, as of now; those that do not exist are left out."""
        rows = await self._ask(self._marks, {"listed": [list(key) for key in set(wanted)]})
        return {(row[0], row[1]): Mark(*row[2:]) for row in rows}

    async def edition(self, tenant: str) -> tuple[Any, ...]:
        """Something that is another after every publication of models and methods."""
        return tuple((await self._ask(self._edition, {"tenant": tenant}))[0])

    async def locks(self, prefixes: Collection[str]) -> dict[str, Lock]:
        """The API keys with these prefixes, by prefix, as of now; those that do not exist are left out."""
        rows = await self._ask(self._locks, {"listed": sorted(set(prefixes))})
        return dict(keys.lock(row) for row in rows)

    async def any_key(self) -> bool:
        """Whether there has ever been an API key, of whatever tenant."""
        return bool((await self._ask(self._any_key, {}))[0][0])

    async def close(self) -> None:
        """Give the connection back; the next question opens another."""
        if self._line is not None:
            await self._line.close()

    async def _ask(self, question: Select[Any], values: dict[str, Any]) -> Rows:
        if self._line is None:
            return await asyncio.to_thread(self._read, question, values)
        if self._line.is_open:
            try:
                return await self._line.ask(question, values)
            except UNREACHABLE:
                pass  # it may have been lost long ago: one more try, on another
        return await self._line.ask(question, values)

    def _read(self, question: Select[Any], values: dict[str, Any]) -> Rows:
        with self._ledger.reading() as connection:
            return [tuple(row) for row in connection.execute(question, values)]


class Line:
    """A connection to PostgreSQL that is opened when it is needed, for one question after another."""

    def __init__(self, ledger: Ledger) -> None:
        self._dialect = ledger.engine.dialect
        self._arguments: dict[str, Any] = dict(self._dialect.create_connect_args(ledger.engine.url)[1])
        self._compiled: dict[Select[Any], tuple[bytes, dict[str, Any]]] = {}
        self._connection: psycopg.AsyncConnection | None = None
        self._free = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, be it one that has been lost meanwhile."""
        return self._connection is not None

    async def ask(self, question: Select[Any], values: dict[str, Any]) -> Rows:
        """All rows of the answer."""
        statement, parameters = self._words(question)
        sent = {name: Json(value) if isinstance(value, list) else value for name, value in values.items()}
        try:
            async with self._free:
                if self._connection is None:
                    self._connection = await psycopg.AsyncConnection.connect(**self._arguments, autocommit=True)
                try:
                    asked = await self._connection.execute(statement, {**parameters, **sent}, prepare=True)
                    return await asked.fetchall()
                except psycopg.Error:
                    await self._drop()
                    raise
        except psycopg.Error as error:
            raise OperationalError("a question of the lookout", None, error) from error

    async def close(self) -> None:
        """Give the connection back."""
        async with self._free:
            await self._drop()

    async def _drop(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    def _words(self, question: Select[Any]) -> tuple[bytes, dict[str, Any]]:
        if question not in self._compiled:
            compiled = question.compile(dialect=self._dialect)
            self._compiled[question] = compiled.string.encode(), dict(compiled.params)
        return self._compiled[question]
