"""Migrations: they end at the tables of ``ledger.schema``, however often and by however many they are run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from ledger import schema
from ledger.database import Ledger
from ledger.errors import SchemaOutOfDate
from ledger.tests.driver import Driver
from ledger.tests.processes import at_once


def differences(ledger: Ledger) -> list[object]:
    """What another migration would have to do."""
    with ledger.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, schema.metadata))


def test_migrations_and_schema_agree(ledger: Ledger) -> None:
    """Tables, columns, types, defaults, keys and indexes: nothing is left to do."""
    assert differences(ledger) == []


def test_names_of_constraints_agree(ledger: Ledger) -> None:
    """The comparison above does not look at the names of keys, which later migrations go by."""
    with ledger.reading() as connection:
        found = inspect(connection)
        for table in schema.metadata.sorted_tables:
            assert found.get_pk_constraint(table.name)["name"] == table.primary_key.name
            assert found.get_pk_constraint(table.name)["constrained_columns"] == [c.name for c in table.primary_key]
            names = {key["name"] for key in found.get_foreign_keys(table.name)}
            assert names == {key.name for key in table.foreign_key_constraints}


def test_every_table_has_a_tenant_and_every_key_begins_with_it() -> None:
    """But for the outbox, whose messages are numbered across tenants, and an API key's prefix, which names one."""
    others = {"outbox": {"id"}, "api_keys": {"tenant_id", "prefix"}}
    for table in schema.metadata.sorted_tables:
        assert "tenant_id" in table.c
        unique = [list(table.primary_key), *(list(index.columns) for index in table.indexes if index.unique)]
        firsts = {columns[0].name for columns in unique}
        assert firsts == others.get(table.name, {"tenant_id"})


def test_upgrading_twice_is_upgrading_once(drive: Driver) -> None:
    """The second time keeps what is there."""
    drive.submit()
    before = drive.everything()
    drive.ledger.upgrade()
    assert drive.everything() == before


def upgrade(url: str) -> None:
    """What each process does when it starts on its embedded defaults."""
    ledger = Ledger(url)
    ledger.upgrade()
    ledger.require_current()


def test_two_processes_may_upgrade_at_once(blank: str) -> None:
    """On a database without a table, or a file that does not exist yet, both find it current afterwards."""
    at_once(upgrade, blank)
    ledger = Ledger(blank)
    assert differences(ledger) == []
    ledger.close()


def test_a_ledger_that_was_never_upgraded_is_refused(blank: str) -> None:
    """With what to do about it."""
    ledger = Ledger(blank)
    with pytest.raises(SchemaOutOfDate, match="palimpsest-ledger upgrade"):
        ledger.require_current()
    ledger.upgrade()
    ledger.require_current()
    ledger.close()


def test_the_command_upgrades_the_ledger_of_the_settings(tmp_path: Path) -> None:
    """``python -m ledger.cli upgrade`` reads PALIMPSEST_LEDGER_URL, and --url goes before it."""
    for name, arguments in (("a", []), ("b", ["--url", f"sqlite:///{tmp_path / 'b'}"])):
        environment = os.environ | {"PALIMPSEST_LEDGER_URL": f"sqlite:///{tmp_path / 'a'}"}
        command = [sys.executable, "-m", "ledger.cli", "upgrade", *arguments]
        assert not (tmp_path / name).exists()
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert "up to date" in told.stdout
        Ledger(f"sqlite:///{tmp_path / name}").require_current()
