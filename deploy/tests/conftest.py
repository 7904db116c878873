"""A PostgreSQL of these tests' own."""

from collections.abc import Iterator

import pytest

from ledger.tests.servers import PostgreSQL


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """One server for the whole session."""
    with PostgreSQL() as server:
        yield server
