"""A fresh ledger for every test, on SQLite and on PostgreSQL: the same tests run on both."""

from collections.abc import Iterator

import pytest

from ledger.database import Ledger
from ledger.tests.databases import Databases, PostgreSQLDatabases, SQLiteDatabases
from ledger.tests.driver import Driver
from ledger.tests.servers import ObjectStore, PostgreSQL


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """One server for the whole session."""
    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """One S3-compatible store for the whole session, and this process told where it is."""
    with ObjectStore() as server, pytest.MonkeyPatch.context() as environment:
        for name, value in server.environment.items():
            environment.setenv(name, value)
        yield server


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    """Where the files come from."""
    return SQLiteDatabases(tmp_path_factory.mktemp("databases"))


@pytest.fixture(scope="session")
def postgresql_databases(postgresql: PostgreSQL) -> Databases:
    """Where the databases of that server come from."""
    return PostgreSQLDatabases(postgresql)


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Databases:
    """Where the databases of this kind come from."""
    found: Databases = request.getfixturevalue(f"{request.param}_databases")
    return found


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    """An empty ledger with the current schema."""
    url = databases.current()
    yield url
    databases.drop(url)


@pytest.fixture
def blank(databases: Databases) -> Iterator[str]:
    """A database that nobody has upgraded yet."""
    url = databases.blank()
    yield url
    databases.drop(url)


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """The ledger, open."""
    ledger = Ledger(url)
    yield ledger
    ledger.close()


@pytest.fixture
def drive(ledger: Ledger) -> Driver:
    """The ledger, ready to be driven."""
    return Driver(ledger)
