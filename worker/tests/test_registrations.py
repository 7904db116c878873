"""Which models a worker offers."""

from pathlib import Path

import pytest

from worker.registrations import read
from worker.tests import tiny


def test_a_registration_is_read_as_it_is_written(demo: Path) -> None:
    """Paths are relative to the file."""
    said = read(demo / "registration.json")
    assert (said.id, said.title, said.steps, said.guidance) == ("tiny", "Random weights", 2, 3.0)
    assert said.folder == demo / "model"
    assert said.sets == {"tiny:targets": "the targets", "tiny:controls": "the controls"}


def test_a_sets_rows_come_in_order(demo: Path) -> None:
    """Ids, captions, and files that exist."""
    rows = read(demo / "registration.json").rows("tiny:targets")
    assert {row.id: row.prompt for row in rows} == tiny.TARGETS
    assert [row.id for row in rows] == list(tiny.TARGETS)
    assert all(row.file.is_file() for row in rows)


def test_a_row_is_found_by_its_id(demo: Path) -> None:
    """One row of one set."""
    registration = read(demo / "registration.json")
    assert registration.row("tiny:controls", "boat").prompt == tiny.CONTROLS["boat"]
    with pytest.raises(KeyError):
        registration.rows("tiny:unknown")


def test_neutral_prompts_are_the_lines_of_a_file(demo: Path) -> None:
    """Blank lines are none."""
    assert read(demo / "registration.json").neutral == tiny.NEUTRAL
