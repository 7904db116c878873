"""The Fréchet distance of two Gaussians, in the audit's own descriptor space or in Inception's.

Heusel et al., GANs Trained by a Two Time-Scale Update Rule (arXiv 1706.08500).

    d² = ‖μ₁ − μ₂‖² + Tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^{1/2}),      Tr (Σ₁Σ₂)^{1/2} = Tr (Σ₁^{1/2} Σ₂ Σ₁^{1/2})^{1/2}

It is called FID only in Inception's space. With n pictures the estimate is biased upwards, the more the nearer n is to
the dimension: it is read beside the distance of two draws of the unmitigated model at the same n.

Shapes: n pictures, D dimensions.
"""

import torch
from torch import Tensor


def distance(x_nD: Tensor, y_nD: Tensor) -> float:
    """d² between Gaussians fitted to two sets of at least two vectors (unbiased covariances)."""
    return gaussian_distance(*fitted(x_nD), *fitted(y_nD))


def fitted(x_nD: Tensor) -> tuple[Tensor, Tensor]:
    """μ and Σ."""
    x = x_nD.double()
    return x.mean(dim=0), torch.cov(x.T).reshape(x.shape[1], x.shape[1])


def gaussian_distance(mu_1: Tensor, sigma_1: Tensor, mu_2: Tensor, sigma_2: Tensor) -> float:
    """d²; never below zero."""
    root = _root(sigma_1)
    trace = torch.linalg.eigvalsh(root @ sigma_2 @ root).clamp(min=0).sqrt().sum()
    d = (mu_1 - mu_2).pow(2).sum() + sigma_1.trace() + sigma_2.trace() - 2 * trace
    return max(0.0, float(d))


def _root(sigma: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(sigma)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T
