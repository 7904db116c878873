"""docs/security.md says how many cases there are: as many as the tables have; worker/tests/ counts those of models."""

import json
import re
from pathlib import Path

import pytest

from palimpsest.contract.keys import SCOPES
from service.tests.hostile_images import CASES
from service.tests.hostile_lists import CSV, JSONL
from service.tests.test_addresses import CORPUS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
ROW = re.compile(r"^\| <!-- (\w+) -->[^|]*\| (\d+) \|", re.MULTILINE)


def operations() -> list[tuple[str, bool]]:
    """The path of every operation, and whether it asks for a key."""
    paths = json.loads((ROOT / "docs" / "openapi.json").read_text())["paths"]
    return [(path, "security" in told) for path, methods in paths.items() for told in methods.values()]


def counted() -> dict[str, int]:
    """Cases by corpus, from what the tests are given."""
    return {
        "routes": sum("{" in path for path, _ in operations()),
        "scopes": sum(keyed for _, keyed in operations()) * (len(SCOPES) + 1),
        "addresses": len(CORPUS),
        "images": sum(len(cases) for cases in CASES.values()),
        "csv": sum(len(cases) for cases in CSV.values()),
        "jsonl": sum(len(cases) for cases in JSONL.values()),
    }


def test_the_page_says_how_many_cases_there_are() -> None:
    """Row by row."""
    told = {name: int(cases) for name, cases in ROW.findall(PAGE.read_text())}
    assert {name: told.get(name) for name in counted()} == counted()
    assert told.keys() - counted().keys() == {"folders", "headers"}


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`((?:\w+/)+[\w.]+)`", PAGE.read_text()))))
def test_what_the_page_names_is_there(named: str) -> None:
    """Every file."""
    assert (ROOT / named).is_file()
