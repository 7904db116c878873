"""The kernel distance: unbiased MMD² with a cubic kernel.

Bińkowski et al., Demystifying MMD GANs (arXiv 1801.01401).

    k(x, y) = (⟨x, y⟩ / c + 1)³
    MMD²    = Σ_{i≠j} k(x_i, x_j)/(m(m−1)) + Σ_{i≠j} k(y_i, y_j)/(n(n−1)) − 2 Σ_{ij} k(x_i, y_j)/(mn)

It is called KID only in Inception's space, where c = D = 2048. The audit's descriptors have length one, so that ⟨x, y⟩
is a cosine already: there c = 1 (c = D would leave next to nothing of the kernel but its constant).

Unbiased, so around zero, and as often below it, when nothing differs. All pictures are used at once; clean-fid's
average over random subsets of 1000 has the same expectation.
"""

import torch
from torch import Tensor


def distance(x_mD: Tensor, y_nD: Tensor, c: float = 1.0) -> float:
    """MMD² of two sets of at least two vectors."""
    x, y = x_mD.double(), y_nD.double()
    return float(_apart(x, c) + _apart(y, c) - 2 * _kernel(x, y, c).mean())


def _kernel(x: Tensor, y: Tensor, c: float) -> Tensor:
    return (x @ y.T / c + 1).pow(3)


def _apart(x: Tensor, c: float) -> Tensor:
    """The mean of k over pairs of two different vectors."""
    k, n = _kernel(x, x, c), len(x)
    return (k.sum() - torch.trace(k)) / (n * (n - 1))
