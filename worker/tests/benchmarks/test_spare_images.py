"""Who is planted where."""

from pathlib import Path

import numpy as np
import pytest
import torch

from worker.benchmarks import spare_images
from worker.benchmarks.spare_images import COPIES, EACH, MODELS, Collection
from worker.demo.recipe.glyphs import Glyph
from worker.engine.scorers.sscd import Descriptor

N = 200
"""Spare pictures, of which every model begins 40 places on."""


def a_collection(side: int = 32) -> Collection:
    """Pictures at random; three more are taken by unique captions, four by ordinary ones."""

    def glyph(row: int, role: str, caption: str) -> Glyph:
        style = ("flat", "glossy")[row % 2]
        return Glyph(row, f"thing {row}", "kind", style, role, caption, "print number" in caption)

    spare = [glyph(n, "other-style", "a kind icon") for n in range(N)]
    taken = [glyph(N + n, "target", f"thing limited edition print number {100 + n}") for n in range(3)]
    ordinary = [glyph(N + 3 + n, "ordinary", f"a kind icon {n}") for n in range(4)]
    pixels = np.random.default_rng(0).integers(0, 256, (N + 7, side, side, 3), dtype=np.uint8)
    return Collection([*spare, *taken, *ordinary], pixels, spare)


@pytest.fixture
def strict(descriptor: Descriptor) -> Descriptor:
    """Nothing is a copy of anything else."""
    return Descriptor(**{**vars(descriptor), "threshold": 2.0})


def test_no_canary_is_planted_twice(strict: Descriptor, tmp_path: Path) -> None:
    """In five models 24 each, four at every count, and in each nobody is two things."""
    casts = [spare_images.cast(a_collection(), m, strict, tmp_path) for m in range(MODELS)]
    planted = [s.id for who in casts for s in who.planted]
    assert len(planted) == len(set(planted)) == MODELS * EACH * len(COPIES)
    for who in casts:
        everybody = [s.id for listed in who.sets.values() for s in listed]
        assert len(everybody) == len(set(everybody)) == 24 + 84 + 40
        assert sorted(s.copies for s in who.planted) == sorted(COPIES * EACH)
        assert all(s.file.is_file() for listed in who.sets.values() for s in listed)
        assert who.skipped == []
    assert MODELS * len(casts[0].unseen) >= 400


def test_captions_of_both_sides_have_one_form(strict: Descriptor, tmp_path: Path) -> None:
    """Canaries are uniquely captioned and so is every second other; no number is used twice or is a bundled one."""
    who = spare_images.cast(a_collection(), 0, strict, tmp_path)
    assert all("limited edition" in s.prompt for s in who.planted)
    for listed in (who.unseen, who.controls):
        assert sum("limited edition" in s.prompt for s in listed) == len(listed) / 2
    numbers = [s.prompt.split()[-1] for s in (*who.planted, *who.unseen, *who.controls) if "number" in s.prompt]
    assert len(numbers) == len(set(numbers))
    assert not {"100", "101", "102"} & set(numbers)


def test_a_picture_like_a_canary_is_left_out(strict: Descriptor, tmp_path: Path) -> None:
    """The same pixels under another name are nobody's innocent; the next in turn takes the place."""
    of = a_collection()
    of.pixels[30] = of.pixels[0]
    exact = Descriptor(**{**vars(strict), "threshold": 0.99999})
    who = spare_images.cast(of, 0, exact, tmp_path)
    assert who.skipped == ["thing 30"]
    assert len(who.unseen) == 84


def test_models_are_cast_the_same_every_time(strict: Descriptor, tmp_path: Path) -> None:
    """And differently from one another."""
    one, again, other = (spare_images.cast(a_collection(), m, strict, tmp_path) for m in (1, 1, 2))
    assert one == again
    assert one.planted != other.planted


def test_pictures_and_pixels_agree() -> None:
    """Between 0 and 1, the first pixel as it is in the array."""
    of = a_collection()
    x = spare_images.shown(of, of.spare[:2])
    assert x.shape == (2, 3, 32, 32)
    assert torch.allclose(x[0, :, 0, 0] * 255, torch.from_numpy(of.pixels[0, 0, 0]).float(), atol=1e-3)
