"""Databases for tests, by the dozen: each a copy of one that was migrated once."""

import shutil
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import make_url

from ledger.database import Ledger
from ledger.tests.servers import PostgreSQL

on_sqlite = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
"""For a test of what only SQLite does."""

on_postgresql = pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
"""For a test of what only PostgreSQL does."""


class Databases(Protocol):
    """Where a test gets its databases."""

    def blank(self) -> str:
        """The URL of a new database without a table."""

    def current(self) -> str:
        """The URL of a new, empty ledger with this code's schema."""

    def drop(self, url: str) -> None:
        """Remove one."""


class SQLiteDatabases:
    """Files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, count()
        self._template = self._file(self.blank())
        upgrade(f"sqlite:///{self._template}")

    def blank(self) -> str:
        """A path where nothing is yet."""
        return f"sqlite:///{self._folder / str(next(self._numbers)) / 'ledger.sqlite'}"

    def current(self) -> str:
        """A copy of the migrated file."""
        url = self.blank()
        self._file(url).parent.mkdir()
        shutil.copy(self._template, self._file(url))
        return url

    def drop(self, url: str) -> None:
        """Remove the file and what SQLite puts beside it."""
        shutil.rmtree(self._file(url).parent, ignore_errors=True)

    def _file(self, url: str) -> Path:
        return Path(make_url(url).database or "")


class PostgreSQLDatabases:
    """Databases of one server."""

    def __init__(self, server: PostgreSQL) -> None:
        self._server, self._numbers = server, count()
        self._template = self.blank()
        upgrade(self._template)

    def blank(self) -> str:
        """An empty database."""
        return self._server.database(f"blank_{next(self._numbers)}")

    def current(self) -> str:
        """A copy of the migrated database."""
        return self._server.database(f"ledger_{next(self._numbers)}", template=self._name(self._template))

    def drop(self, url: str) -> None:
        """Remove the database, whoever may still be connected."""
        self._server.drop(self._name(url))

    def _name(self, url: str) -> str:
        return str(make_url(url).database)


def upgrade(url: str) -> None:
    """Bring a database to this code's schema."""
    ledger = Ledger(url)
    ledger.upgrade()
    ledger.close()
