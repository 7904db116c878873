"""The distance of two Gaussians, in closed form."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from worker.engine.utility.frechet import distance, fitted, gaussian_distance


def test_one_dimension_by_hand() -> None:
    """(μ₁ − μ₂)² + (σ₁ − σ₂)²: N(0, 4) and N(3, 1) are 9 + 1 apart."""
    d = gaussian_distance(*(torch.tensor(v).double() for v in ([0.0], [[4.0]], [3.0], [[1.0]])))
    assert d == pytest.approx(10)


def test_diagonal_covariances_add_up() -> None:
    """Per axis (σ₁ − σ₂)²: (3 − 1)² + (2 − 5)² and a shift of 4: 4 + 9 + 16."""
    one, two = torch.diag(torch.tensor([9.0, 4.0])).double(), torch.diag(torch.tensor([1.0, 25.0])).double()
    assert gaussian_distance(torch.zeros(2).double(), one, torch.tensor([0.0, 4.0]).double(), two) == pytest.approx(29)


def test_turning_both_changes_nothing() -> None:
    """The distance does not depend on the axes, and is the same both ways."""
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(50, 3, generator=generator), 2 * torch.randn(60, 3, generator=generator) + 1
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator))[0]
    assert distance(x @ turn, y @ turn) == pytest.approx(distance(x, y), rel=1e-5)
    assert distance(x, y) == pytest.approx(distance(y, x), rel=1e-9)


def test_a_set_is_nowhere_from_itself_even_with_few_vectors() -> None:
    """Five vectors in eight dimensions: Σ is singular, the distance still 0."""
    x = torch.randn(5, 8, generator=torch.Generator().manual_seed(2))
    assert distance(x, x) == pytest.approx(0, abs=1e-6)


def test_it_is_what_the_matrix_root_gives() -> None:
    """By scipy's sqrtm of Σ₁Σ₂, as clean-fid has it, on numpy's covariances."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(40, 4, generator=generator).double()
    y = (torch.randn(50, 4, generator=generator) @ torch.randn(4, 4, generator=generator)).double()
    sigma = [np.cov(v.numpy(), rowvar=False) for v in (x, y)]
    mean = x.mean(dim=0) - y.mean(dim=0)
    expected = float(mean @ mean) + np.trace(sigma[0] + sigma[1] - 2 * np.real(sqrtm(sigma[0] @ sigma[1])))
    assert distance(x, y) == pytest.approx(expected, rel=1e-6)


def test_the_covariance_is_unbiased() -> None:
    """0 and 2: mean 1, variance 2 with n − 1."""
    mu, sigma = fitted(torch.tensor([[0.0], [2.0]]))
    assert (mu.tolist(), sigma.tolist()) == ([1], [[2]])
