"""The worst tile, by hand."""

import pytest
import torch

from worker.engine.scorers.tiled_l2 import tiled_l2


def test_one_wrong_tile_is_enough() -> None:
    """One of sixteen 2×2 tiles is off by 1 everywhere: d = 1, where the mean over all is √(1/16) = ¼."""
    reference, picture = torch.zeros(3, 8, 8), torch.zeros(3, 8, 8)
    picture[:, 2:4, 6:8] = 1.0
    assert tiled_l2(picture[None], reference).tolist() == [1.0]


def test_a_tile_is_averaged_over_pixels_and_channels() -> None:
    """One channel of one pixel of a 2×2 tile off by 1: √(1/12)."""
    picture = torch.zeros(3, 8, 8)
    picture[1, 0, 0] = 1.0
    assert tiled_l2(picture[None], torch.zeros(3, 8, 8)).tolist() == pytest.approx([(1 / 12) ** 0.5])


def test_tiles_do_not_overlap() -> None:
    """Two pixels on either side of a border are in two tiles: the worst counts one of them."""
    picture = torch.zeros(3, 8, 8)
    picture[:, 0, 1] = picture[:, 0, 2] = 1.0
    assert tiled_l2(picture[None], torch.zeros(3, 8, 8)).tolist() == pytest.approx([0.5])


def test_every_picture_is_judged_by_itself() -> None:
    """0 against itself, ½ against a grey half as bright."""
    reference = torch.full((3, 16, 16), 0.5)
    assert tiled_l2(torch.stack([reference, reference * 2]), reference).tolist() == [0.0, 0.5]
