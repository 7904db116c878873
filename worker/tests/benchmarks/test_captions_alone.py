"""The baseline: what it looks at, and that it is never asked about a caption it was fitted on."""

import pytest
import torch

from worker.benchmarks.captions_alone import FOLDS, features, fit, fold_of, out_of_fold


def test_features_by_hand() -> None:
    """5 tokens, 3 words, 10 characters, 2 digits, words of (1 + 5 + 2)/3 letters."""
    assert features("a print 42", 5) == [5, 3, 10, 2, pytest.approx(8 / 3)]
    assert features("", 2) == [2, 0, 0, 0, 0]


def test_a_fold_belongs_to_the_caption() -> None:
    """Always the same, and all of them are met."""
    folds = [fold_of(f"caption {n}") for n in range(100)]
    assert folds == [fold_of(f"caption {n}") for n in range(100)]
    assert set(folds) == set(range(FOLDS))


def test_a_fit_tells_apart_what_can_be_told() -> None:
    """Memorized where the first feature is large: its weight is positive, and the border lies between."""
    f = torch.tensor([[-1.0, 0.3], [-0.8, -0.1], [0.9, 0.2], [1.1, -0.2]])
    w, b = fit(f, torch.tensor([0.0, 0, 1, 1]))
    assert w[0] > abs(w[1])
    assert ((f @ w + b) > 0).tolist() == [False, False, True, True]


def test_no_caption_is_scored_by_a_fit_that_saw_it() -> None:
    """The label of one caption changes the scores of other folds, never its own fold's."""
    torch.manual_seed(0)
    f, folds = torch.randn(40, 5), [n % FOLDS for n in range(40)]
    labels = (f[:, 0] > 0).float()
    changed = labels.clone()
    changed[0] = 1 - changed[0]
    before, after = out_of_fold(f, labels, folds), out_of_fold(f, changed, folds)
    same = [a == b for a, b in zip(before, after, strict=True)]
    assert all(same[n] for n in range(40) if folds[n] == folds[0])
    assert not any(same[n] for n in range(40) if folds[n] != folds[0])
