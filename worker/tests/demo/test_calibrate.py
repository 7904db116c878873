"""How the judges' thresholds are fixed, by hand."""

import pytest
import torch

from worker.demo.recipe.calibrate import auc, exceeding, threshold


def test_one_in_a_thousand_may_exceed_a_threshold() -> None:
    """Of 2,000 negatives of two kinds two may: the third largest, 0.7, is the threshold, rounded up to 0.0001."""
    negatives = {"twin": torch.tensor([0.9, 0.7, *[0.1] * 98]), "neighbour": torch.tensor([0.8, *[0.0] * 1899])}
    bound = threshold(negatives)
    assert bound == pytest.approx(0.7, abs=1.01e-4)
    assert bound > 0.7 - 1e-6
    assert exceeding(bound, negatives)["k"] == 2


def test_of_fewer_than_a_thousand_none_may() -> None:
    """⌊999 · 10⁻³⌋ = 0."""
    negatives = {"twin": torch.tensor([0.9, *[0.0] * 998])}
    assert exceeding(threshold(negatives), negatives)["k"] == 0


def test_the_auc_counts_pairs() -> None:
    """Positives 3 and 1, negatives 2 and 0: of four pairs the positive is larger in 3."""
    assert auc(torch.tensor([3.0, 1.0]), torch.tensor([2.0, 0.0])) == pytest.approx(0.75)
