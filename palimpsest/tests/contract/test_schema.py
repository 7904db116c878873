"""docs/report.schema.json is the contract's, to the byte."""

import json
import subprocess
import sys
from pathlib import Path

from jsonschema import Draft202012Validator

from palimpsest.contract import schema


def test_the_published_schema_is_current() -> None:
    """A change of the report without ``python -m palimpsest.contract.schema`` fails here."""
    assert schema.is_current()


def test_the_schema_is_a_schema() -> None:
    """It is valid by the draft it names."""
    described = json.loads(schema.text())
    assert described["$schema"] == schema.DIALECT
    Draft202012Validator.check_schema(described)


def test_a_stale_or_missing_file_is_noticed(tmp_path: Path) -> None:
    """A file is current only if it holds exactly the schema."""
    place = tmp_path / "report.schema.json"
    assert not schema.is_current(place)
    place.write_text(schema.text() + "\n", encoding="utf-8")
    assert not schema.is_current(place)
    place.write_text(schema.text(), encoding="utf-8")
    assert schema.is_current(place)


def test_checking_is_a_command_that_writes_nothing() -> None:
    """``--check`` leaves with 0 and the file as it was."""
    before = schema.PLACE.stat().st_mtime_ns
    command = [sys.executable, "-m", "palimpsest.contract.schema", "--check"]
    assert subprocess.run(command, check=False, timeout=60, cwd=schema.PLACE.parents[1]).returncode == 0
    assert schema.PLACE.stat().st_mtime_ns == before
