"""One image's pairs against two images', worked out by hand."""

from math import nan, sqrt
from statistics import fmean, stdev

import pytest
import torch
from scipy.stats import t as student

from worker.engine.locality.pairs import Contrast, among, contrast, distances, spread
from worker.engine.seeds import generator_for

ON_A_LINE = torch.tensor([[0.0], [1.0], [10.0], [12.0]])
IMAGES = ["fox", "fox", "kite", "kite"]


def of(d: torch.Tensor, images: list[str], effect: str = "ratio", permutations: int = 99) -> Contrast:
    """A contrast with a generator of its own."""
    return contrast(d, images, effect, permutations=permutations, generator=generator_for(0, "test"))  # type: ignore[arg-type]


def test_distances_are_euclidean_and_every_pair_counts_once() -> None:
    """(0,0), (3,4), (0,1): 5, 1 and √18; 3 items are 3 pairs."""
    d = distances(torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    assert among(d).tolist() == pytest.approx([5, 1, sqrt(18)])
    assert d.diagonal().tolist() == [0, 0, 0]
    assert torch.equal(d, d.T)


def test_identical_embeddings_are_nowhere_apart() -> None:
    """Exactly 0, for large ones too."""
    y = torch.full((3, 5, 7), 1e4 / 3)
    assert among(distances(y)).tolist() == [0, 0, 0]


def test_a_contrast_by_hand() -> None:
    """
    Triggers at 0, 1 (fox) and 10, 12 (kite): same = (1 + 2)/2 = 1.5, different = (10 + 12 + 9 + 11)/4 = 10.5
    ratio = 1/7; difference = −9; two images have no interval
    """
    found = of(distances(ON_A_LINE), IMAGES)
    assert (found.same, found.different, found.value) == (1.5, 10.5, round(1.5 / 10.5, 6))
    assert (found.images, found.pairs_same, found.pairs_different) == (2, 2, 4)
    assert (found.low, found.high) == (None, None)
    assert of(distances(ON_A_LINE), IMAGES, "difference").value == -9


def test_p_counts_permutations_as_local() -> None:
    """
    Of the 3 ways to pair four triggers only the true one puts near ones together: a third of all permutations, so that
    p is near 1/3 however many are drawn. With 3 + 3 triggers there are 10 ways, one as local: near 1/10.
    """
    found = of(distances(ON_A_LINE), IMAGES, permutations=1999)
    assert found.p == pytest.approx(1 / 3, abs=0.04)
    six = torch.tensor([[0.0], [1.0], [2.0], [50.0], [51.0], [52.0]])
    found = of(distances(six), ["a", "a", "a", "b", "b", "b"], permutations=1999)
    assert found.p == pytest.approx(1 / 10, abs=0.03)


def test_p_is_one_sided_towards_locality() -> None:
    """Near ones bear different names: nothing is less local, p is 1. For agreements large is local."""
    crossed = ["fox", "kite", "fox", "kite"]
    assert (of(distances(ON_A_LINE), crossed).p or 0) > 0.6
    agreement = torch.eye(2).repeat_interleave(2, 0).repeat_interleave(2, 1)
    local = of(agreement, IMAGES, "difference", permutations=1999)
    assert (local.same, local.different, local.value) == (1, 0, 1)
    assert local.p == pytest.approx(1 / 3, abs=0.04)


def test_without_any_difference_p_is_one() -> None:
    """All distances equal: every permutation is as local."""
    d = 1 - torch.eye(6)
    found = of(d, ["a", "a", "b", "b", "c", "c"])
    assert (found.value, found.p) == (1, 1)


def test_the_interval_is_a_jackknife_over_images() -> None:
    """
    Three images of two triggers: leaving one out leaves a contrast of the other two, worked out apart
    pseudo-values 3θ − 2θ₋ᵢ, their mean ± t₀.₉₇₅,₂ · s/√3
    """
    x = torch.tensor([[0.0], [1.0], [10.0], [12.0], [30.0], [33.0]])
    names = ["a", "a", "b", "b", "c", "c"]
    d = distances(x)
    whole = of(d, names)
    pseudo = []
    for left_out in "abc":
        kept = [i for i, name in enumerate(names) if name != left_out]
        rest = of(d[kept][:, kept], [names[i] for i in kept])
        assert whole.value is not None
        assert rest.value is not None
        pseudo.append(3 * whole.value - 2 * rest.value)
    half = student.ppf(0.975, 2) * stdev(pseudo) / sqrt(3)
    assert (whole.low, whole.high) == pytest.approx((fmean(pseudo) - half, fmean(pseudo) + half), abs=1e-4)


def test_pairs_that_say_nothing_are_left_out() -> None:
    """One image's only pair is NaN: nothing to compare, and no p; with another image's pair there is."""
    d = torch.tensor([[nan, nan, 0.5, 0.5], [nan, nan, 0.5, 0.5], [0.5, 0.5, 1, 0.8], [0.5, 0.5, 0.8, 1]])
    found = of(d, IMAGES, "difference")
    assert (found.same, found.different, found.pairs_same, found.pairs_different) == (0.8, 0.5, 1, 4)
    empty = of(torch.full((4, 4), nan), IMAGES, "difference")
    assert (empty.same, empty.value, empty.p, empty.pairs_same) == (None, None, None, 0)


def test_equal_asking_is_equally_answered() -> None:
    """The same generator gives the same p, the order of the triggers does not matter to the rest."""
    d = distances(torch.randn(8, 3, generator=torch.Generator().manual_seed(3)))
    names = list("aabbccdd")
    assert of(d, names) == of(d, names)
    order = [7, 2, 5, 0, 1, 4, 3, 6]
    shuffled = of(d[order][:, order], [names[i] for i in order])
    assert (shuffled.value, shuffled.low) == (of(d, names).value, of(d, names).low)


def test_a_spread_by_hand() -> None:
    """0 … 20: mean 10, the percentiles are 1, 5, 10, 15 and 19; one value has no deviation."""
    found = spread(torch.arange(21.0))
    assert (found.n, found.mean, found.percentiles) == (21, 10, (1, 5, 10, 15, 19))
    assert found.sd == pytest.approx(stdev(range(21)), abs=1e-4)
    assert spread(torch.tensor([4.0])).sd == 0
