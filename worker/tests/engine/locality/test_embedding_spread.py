"""Where triggers lie, by hand."""

from math import sqrt

import pytest
import torch

from palimpsest.contract.methods import LocalityParams
from worker.engine.locality.embedding_spread import EmbeddingSpread, analyse, principal_plane
from worker.tests.engine.locality.conftest import Make

STARTS = torch.tensor([[[0.0, 0.0]], [[8.0, 0.0]], [[0.0, 8.0]], [[8.0, 8.0]]])
PROMPTS = torch.tensor([[[0.0, 0.0]], [[0.0, 3.0]], [[4.0, 0.0]]])
IMAGES = ["fox", "fox", "kite", "kite"]


def found(made: Make, moved: torch.Tensor, params: LocalityParams) -> EmbeddingSpread:
    """Four triggers that moved from the corners of a square."""
    return analyse(made(IMAGES, STARTS, STARTS + moved), PROMPTS, params, seed=0)


def test_distances_by_hand(by_hand: Make, params: LocalityParams) -> None:
    """
    Nobody moved: the foxes are 8 apart, the kites 8, fox to kite 8 or 8√2
    the starts are the same points; prompts (0,0), (0,3), (4,0) are 3, 4 and 5 apart
    """
    said = found(by_hand, torch.zeros(4, 1, 2), params)
    assert (said.triggers_of_one_image.n, said.triggers_of_one_image.mean) == (2, 8)
    assert said.triggers_of_two_images.mean == pytest.approx((2 * 8 + 2 * 8 * sqrt(2)) / 4, abs=1e-4)
    assert (said.starts.n, said.prompts.n, said.prompts.mean) == (6, 3, 4)
    assert said.displacement.mean == 0
    assert said.distance.value == pytest.approx(8 / (4 + 4 * sqrt(2)), abs=1e-5)


def test_one_direction_for_one_image_is_seen_whatever_the_starts(by_hand: Make, params: LocalityParams) -> None:
    """Foxes move right, kites up: within an image the cosine is 1, between two 0, and all stay near their own start."""
    right, up = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    said = found(by_hand, torch.stack([right, right, up, up]), params)
    assert (said.direction.same, said.direction.different, said.direction.value) == (1, 0, 1)
    assert said.displacement.mean == 1
    assert (said.nearest_start.k, said.nearest_start.n) == (4, 4)


def test_a_trigger_that_went_over_to_another_start_is_counted(by_hand: Make, params: LocalityParams) -> None:
    """The first moved 5 of the 8 to the second's start."""
    moved = torch.zeros(4, 1, 2)
    moved[0, 0, 0] = 5
    assert found(by_hand, moved, params).nearest_start.k == 3


def test_two_triggers_of_one_start_are_both_at_home(by_hand: Make, params: LocalityParams) -> None:
    """Another prompt may be drawn twice: a tie is no other's gain."""
    twice = by_hand(IMAGES, STARTS[[0, 0, 2, 3]], STARTS[[0, 0, 2, 3]])
    assert analyse(twice, PROMPTS, params, seed=0).nearest_start.k == 4


def test_the_plane_is_that_of_largest_variance() -> None:
    """Points spread 3 : 2 : 1 along the axes fall on the first two, which hold 13/14 of the variance."""
    x = torch.cat([torch.diag(torch.tensor([3.0, 2.0, 1.0])), -torch.diag(torch.tensor([3.0, 2.0, 1.0]))]).double()
    points, share = principal_plane(x)
    assert share == pytest.approx(13 / 14)
    assert torch.allclose(points, x[:, :2], atol=1e-9)


def test_the_planes_directions_are_positive_where_they_are_largest() -> None:
    """Mirroring the data mirrors the points, not the axes: the picture does not depend on a solver's sign."""
    x = torch.tensor([[-9.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 3.0], [0.0, -2.0, 0.0]]).double()
    assert torch.allclose(principal_plane(-x)[0], -principal_plane(x)[0], atol=1e-9)


def test_every_point_of_the_picture_has_its_place(by_hand: Make, params: LocalityParams) -> None:
    """Four triggers with their starts, three prompts without; in two dimensions the plane is everything."""
    said = found(by_hand, torch.ones(4, 1, 2), params)
    assert [point.image for point in said.plane] == [*IMAGES, None, None, None]
    assert [point.start is None for point in said.plane] == [False] * 4 + [True] * 3
    assert said.plane_variance == 1
    for point in said.plane[:4]:
        assert point.start is not None
        assert sum((a - b) ** 2 for a, b in zip(point.at, point.start, strict=True)) == pytest.approx(2, abs=1e-3)
