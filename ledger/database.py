"""Engines and transactions, alike on SQLite and PostgreSQL.

On SQLite: WAL, a busy timeout, and BEGIN IMMEDIATE for every transaction that writes, so that a reader never has
to turn into a writer half-way. An engine belongs to the process that made it: create it after the fork.
"""

import json
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Float, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement

from ledger.errors import SchemaOutOfDate

T = TypeVar("T")

_PATIENCE = 30.0
_MOST_TRIES = 5
_GIVEN_UP = ("40001", "40P01")

UNREACHABLE = (OperationalError, InterfaceError, PoolTimeout)
"""The database is down, locked or out of connections: it may be there again in a moment."""

FAILED = (SQLAlchemyError,)
"""Whatever SQL refuses, those included."""


class now(FunctionElement[float]):  # noqa: N801 it reads as the SQL function it is
    """The database's own clock, seconds since 1970, advancing within a transaction."""

    type = Float(53)
    inherit_cache = True


@compiles(now, "sqlite")
def _now_on_sqlite(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "postgresql")
def _now_on_postgresql(*_: Any, **__: Any) -> str:
    return "extract(epoch from clock_timestamp())::float8"


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say ON CONFLICT in the connection's dialect."""
    return sqlite.Insert(table) if connection.dialect.name == "sqlite" else postgresql.Insert(table)


class Ledger:
    """One database, opened by one process."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _create_engine(url)
        self._one_view = self.engine.execution_options(**_one_view(self.engine))

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that writes; commits at the end, rolls back on an exception."""
        with self.engine.connect().execution_options(writing=True) as connection, connection.begin():
            yield connection

    def write(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns, done in one transaction.

        It is done again from its beginning when the database gave it up for others to go on (a deadlock, a
        serialization failure): nothing of it was written then.
        """
        for remaining in reversed(range(_MOST_TRIES)):
            try:
                with self.writing() as connection:
                    return work(connection)
            except OperationalError as error:
                if remaining == 0 or getattr(error.orig, "sqlstate", None) not in _GIVEN_UP:
                    raise
                time.sleep(random.uniform(0.0, 0.1))
        raise AssertionError("unreachable")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view."""
        with self._one_view.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()

    def upgrade(self) -> None:
        """Migrate to this code's schema; safe to call by several processes at once on PostgreSQL and SQLite."""
        with self.writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(2507168801)")
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def require_current(self) -> None:
        """Raise SchemaOutOfDate unless the database has this code's schema."""
        with self.reading() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
        wanted = ScriptDirectory.from_config(alembic_config()).get_current_head()
        if found != wanted:
            raise SchemaOutOfDate(
                f"the ledger is at revision {found}, this code needs {wanted}: palimpsest-ledger upgrade"
            )


def alembic_config() -> Config:
    """Where the migrations are."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _one_view(engine: Engine) -> dict[str, Any]:
    # PostgreSQL's default level looks anew at each statement; a transaction of SQLite's WAL sees one snapshot anyway.
    return (
        {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    )


def _strict_json(value: Any) -> str:
    # SQLite would store the NaN that PostgreSQL refuses.
    return json.dumps(value, allow_nan=False)


def _create_engine(url: str) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, hide_parameters=True, json_serializer=_strict_json)
    file = make_url(url).database
    if file:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        connect_args={"timeout": _PATIENCE, "check_same_thread": False},
        hide_parameters=True,
        json_serializer=_strict_json,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _write_ahead(connection: Any) -> None:
    # Several processes may open a new file at once, and for this one change SQLite does not wait for its lock.
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
