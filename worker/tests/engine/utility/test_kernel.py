"""The kernel distance, by its formula."""

import pytest
import torch

from worker.engine.utility.kernel import distance


def test_two_and_two_by_hand() -> None:
    """
    x: e₁, e₂; y: e₁, −e₁; k = (cos + 1)³
    within x: k(e₁, e₂) = 1; within y: k(e₁, −e₁) = 0; across: (8 + 0 + 1 + 1)/4 = 2.5
    MMD² = 1 + 0 − 5 = −4
    """
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    y = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert distance(x, y) == pytest.approx(-4)


def test_a_set_against_itself_is_below_zero_by_its_diagonal() -> None:
    """Unbiased: MMD²(X, X) = −(2/n)·(mean of k(x, x) − mean of k between two). For e₁, e₂: −(2/2)·(8 − 1) = −7."""
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert distance(x, x) == pytest.approx(-7)


def test_two_halves_of_one_set_are_nothing_apart() -> None:
    """400 and 400 unit vectors of one distribution: 0 within the noise; of two distributions: far more."""
    generator = torch.Generator().manual_seed(4)
    x = torch.nn.functional.normalize(torch.randn(800, 16, generator=generator), dim=1)
    shifted = torch.nn.functional.normalize(torch.randn(400, 16, generator=generator) + 1, dim=1)
    null = distance(x[:400], x[400:])
    assert abs(null) < 0.02
    assert distance(x[:400], shifted) > 1


def test_inceptions_kernel_divides_by_the_dimension() -> None:
    """c = 2: k = (⟨x, y⟩/2 + 1)³, so (1, 1) with itself is 8 as e₁ with itself was with c = 1."""
    x = torch.tensor([[1.0, 1.0], [-1.0, 1.0]])
    y = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
    assert distance(x, y, c=2) == pytest.approx(-4)
