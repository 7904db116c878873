"""A fresh SQLite ledger for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.database import Ledger
from ledger.tests.driver import Driver


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where the ledger of this test is."""
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """An empty ledger with the current schema."""
    ledger = Ledger(url)
    ledger.upgrade()
    yield ledger
    ledger.close()


@pytest.fixture
def drive(ledger: Ledger) -> Driver:
    """The ledger, ready to be driven."""
    return Driver(ledger)
