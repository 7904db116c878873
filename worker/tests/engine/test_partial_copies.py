"""Both judges on a part of a picture."""

from dataclasses import replace

import pytest
import torch

from palimpsest.contract.request import Region
from worker.engine.items import Item
from worker.engine.partial_copies import distance, similarity, smallest, worst_tile
from worker.engine.regions import Box, Local
from worker.engine.scorers.sscd import Descriptor
from worker.engine.scorers.tiled_l2 import tiled_l2
from worker.engine.setting import Setting

MIDDLE = Box(8, 8, 24, 24)


def noise(seed: int) -> torch.Tensor:
    """A picture of nothing, 3×32×32."""
    return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(seed))


def pasted(part: torch.Tensor, left: int, top: int) -> torch.Tensor:
    """Another picture with this part in it."""
    picture = noise(1)
    picture[:, top : top + part.shape[1], left : left + part.shape[2]] = part
    return picture


def test_a_part_is_found_where_it_was_and_where_it_moved_to(descriptor: Descriptor) -> None:
    """16 pixels, moved by a quarter of them, 4, along both axes: similarity 1 and distance 0, as at its place."""
    reference = noise(0)
    part = MIDDLE.of(reference)
    pictures = torch.stack([pasted(part, 8, 8), pasted(part, 12, 4), noise(1), pasted(part, 16, 16)])
    near, far = similarity(descriptor, pictures, reference, MIDDLE), distance(pictures, reference, MIDDLE)
    assert near[:2].tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
    assert far[:2].tolist() == [0.0, 0.0]
    assert bool((near[2:] < 0.99).all())
    assert bool((far[2:] > 0.1).all())


def test_the_rest_of_the_picture_does_not_matter(setting: Setting, targets: list[Item]) -> None:
    """A picture that shares nothing but the region is a copy there, by both judges, and none as a whole."""
    judged = replace(setting, descriptor=replace(setting.descriptor, threshold=0.999))
    local = Local(Region(x=0.25, y=0.25, width=0.5, height=0.5), threshold=0.999, tiled_l2_threshold=0.01)
    whole = targets[0]
    picture = 1 - whole.picture
    picture[:, 8:24, 8:24] = whole.picture[:, 8:24, 8:24]
    there, everywhere = (judged.score(picture[None], item) for item in (replace(whole, local=local), whole))
    assert (there.hits, there.second_hits) == (1, 1)
    assert (everywhere.hits, everywhere.second_hits) == (0, 0)


def test_the_worst_tile_of_a_part_is_that_of_a_whole_picture() -> None:
    """One formula: where four divides the sides, Carlini's; one tile of sixteen that is off by ½ is ½."""
    x, r = noise(0)[None], noise(1)
    assert torch.allclose(worst_tile(x, r), tiled_l2(x, r))
    grey = torch.zeros(1, 3, 10, 6)
    grey[:, :, :2, :1] = 0.5
    assert worst_tile(grey, torch.zeros(3, 10, 6)).item() == pytest.approx((0.25 * 2 / 6) ** 0.5)


@pytest.mark.parametrize(("side", "pixels"), [(64, 16), (288, 72), (320, 80), (330, 83), (8, 4)])
def test_a_side_has_a_quarter_of_what_the_descriptor_wants(descriptor: Descriptor, side: int, pixels: int) -> None:
    """Rounded up, and four tiles have a pixel each."""
    assert smallest(replace(descriptor, side=side)) == pixels
