"""What can be told from a caption without looking at the model: the baseline every detector stands beside.

    P(memorized) = σ(w·f + b),   f: tokens, words, characters, digits, mean length of a word, each standardized
    w, b minimize the mean log loss, both kinds weighing the same, + λ‖w‖²/2

Each caption is scored by a fit that has not seen its fold, so that the baseline may learn the captions' form and
nothing about single captions.
"""

import hashlib

import torch
from torch import Tensor
from torch.nn import functional as F

FOLDS = 5
LAMBDA = 0.01


def features(caption: str, tokens: int) -> list[float]:
    """f, before it is standardized."""
    words = caption.split()
    letters = sum(map(len, words))
    return [tokens, len(words), len(caption), sum(c.isdigit() for c in caption), letters / max(1, len(words))]


def fold_of(caption: str) -> int:
    """One of FOLDS, by sha256: equal captions share it."""
    return int.from_bytes(hashlib.sha256(caption.encode()).digest()[:8], "big") % FOLDS


def out_of_fold(f: Tensor, memorized: Tensor, folds: list[int]) -> list[float]:
    """w·f + b of every row of f (N×5) by the fit on the other folds; ``memorized`` is N, 0 or 1."""
    f = (f - f.mean(dim=0)) / f.std(dim=0).clamp_min(1e-9)
    scores = torch.zeros(len(f))
    for fold in range(FOLDS):
        out = torch.tensor([mine == fold for mine in folds])
        if out.any():
            w, b = fit(f[~out], memorized[~out])
            scores[out] = f[out] @ w + b
    return [round(score, 6) for score in scores.tolist()]


def fit(f: Tensor, memorized: Tensor) -> tuple[Tensor, Tensor]:
    """w and b. Both kinds must occur."""
    share = memorized.mean()
    weight = torch.where(memorized > 0, 0.5 / share, 0.5 / (1 - share))
    w, b = torch.zeros(f.shape[1], requires_grad=True), torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([w, b], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.binary_cross_entropy_with_logits(f @ w + b, memorized, weight=weight) + LAMBDA * w.pow(2).sum() / 2
        value.backward()
        return value

    optimizer.step(loss)
    return w.detach(), b.detach()
