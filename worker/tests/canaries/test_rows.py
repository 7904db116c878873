"""What can be planted, and what could not be told apart."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from worker.canaries import rows
from worker.canaries.errors import Unplantable
from worker.canaries.rows import Specimen
from worker.engine.model import DiffusionModel
from worker.engine.scorers.sscd import Descriptor
from worker.tests import tiny


def write(folder: Path, *said: object) -> Path:
    """A file of rows beside one picture."""
    (folder / "fox.png").write_bytes(tiny.picture_file(0))
    path = folder / "rows.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in said))
    return path


def test_rows_are_those_of_a_set_with_copies(tmp_path: Path) -> None:
    """Paths are relative to the file, blank lines are none, and an image without copies is not planted."""
    fox = {"id": "fox", "prompt": "a red fox", "image": "fox.png"}
    found = rows.read(write(tmp_path, {**fox, "copies": 16}, "", {**fox, "id": "vixen"}))
    assert found == [
        Specimen("fox", "a red fox", tmp_path / "fox.png", 16),
        Specimen("vixen", "a red fox", tmp_path / "fox.png", 0),
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "line 1"),
        ({"id": "fox", "prompt": "p"}, "image"),
        ({"id": "fox", "prompt": "p", "image": "hare.png"}, "no picture"),
        ({"id": "../fox", "prompt": "p", "image": "fox.png"}, "no id"),
        ({"id": "fox", "prompt": "p", "image": "fox.png", "copies": "many"}, "many"),
    ],
)
def test_a_row_that_is_none_is_named(tmp_path: Path, row: object, said: str) -> None:
    """By its line, with what is wrong."""
    with pytest.raises(Unplantable, match=said):
        rows.read(write(tmp_path, row))


def test_the_truth_must_be_plain(canaries: list[Specimen], unplanted: list[Specimen]) -> None:
    """One id an image, copies of the planted and of nobody else, and somebody to plant."""
    rows.check(canaries, unplanted)
    with pytest.raises(Unplantable, match="fox"):
        rows.check(canaries, [replace(unplanted[0], id="fox")])
    with pytest.raises(Unplantable, match="copies"):
        rows.check([replace(canaries[0], copies=0)], unplanted)
    with pytest.raises(Unplantable, match="canary"):
        rows.check([], unplanted)
    with pytest.raises(Unplantable, match="never planted"):
        rows.check(canaries, [replace(unplanted[0], copies=1)])


def test_a_copy_of_what_is_planted_is_no_innocent(
    model: DiffusionModel, descriptor: Descriptor, canaries: list[Specimen], unplanted: list[Specimen]
) -> None:
    """The same picture under another id is refused, both named; pictures below the threshold are not."""
    strict = replace(descriptor, threshold=0.999)
    rows.check_distinct(model, strict, canaries, unplanted)
    with pytest.raises(Unplantable, match="twin and kite"):
        rows.check_distinct(model, strict, canaries, [replace(canaries[1], id="twin", copies=0)])


def test_pictures_are_those_of_the_files(canaries: list[Specimen]) -> None:
    """3×32×32 in [0, 1] each; nobody's are none."""
    x = rows.pictures(canaries, tiny.SIDE)
    assert x.shape == (3, 3, 32, 32)
    assert 0 <= float(x.min()) < float(x.max()) <= 1
    assert torch.equal(x[1], rows.pictures(canaries[1:2], tiny.SIDE)[0])
    assert rows.pictures([], tiny.SIDE).shape == (0, 3, 32, 32)


def test_long_lists_are_cut() -> None:
    """Five are named, the rest counted."""
    assert rows.told("abc") == "a, b, c"
    assert rows.told("abcdefg") == "a, b, c, d, e and 2 more"
