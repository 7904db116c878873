"""Pairs of one image's triggers against pairs of different images', with a null and an interval.

    same       = mean of d_ij over pairs whose triggers belong to one image
    different  = mean of d_ij over pairs of triggers of two images
    effect     = same / different (for distances), or same − different (for agreements)

Locality predicts that triggers of one image are alike: distances smaller, agreements larger. The null is that it makes
no difference whose triggers they are: then the image labels can be permuted,

    p = (1 + #{permutations at least as local}) / (1 + permutations),

and it is one-sided towards locality. A large p proves nothing by itself: the effect and its interval say how much. The
interval is a delete-one jackknife over *images* (95 %, Student's t), for triggers of one image are not independent.

Entries of d that are NaN are pairs left out (agreements of two empty sets).
"""

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import BaseModel
from torch import Tensor

from worker.engine.rates import interval

Effect = Literal["ratio", "difference"]
FEWEST_IMAGES = 3


class Contrast(BaseModel):
    """``same`` against ``different``; what cannot be said is None: an interval of two images, a p of no pairs."""

    same: float | None
    different: float | None
    effect: Effect
    value: float | None
    low: float | None
    high: float | None
    p: float | None
    images: int
    pairs_same: int
    pairs_different: int


class Spread(BaseModel):
    """A distribution: how many, mean, standard deviation, and the 5th, 25th, 50th, 75th and 95th percentile."""

    n: int
    mean: float
    sd: float
    percentiles: tuple[float, float, float, float, float]


def distances(x_ND: Tensor) -> Tensor:
    """‖x_i − x_j‖₂, N×N, in double precision."""
    flat = x_ND.flatten(1).double()
    return torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")


def among(d_NN: Tensor) -> Tensor:
    """The N(N−1)/2 entries above the diagonal."""
    i, j = torch.triu_indices(len(d_NN), len(d_NN), offset=1)
    return d_NN[i, j]


def spread(values: Tensor) -> Spread:
    """Of a non-empty vector; the standard deviation of a single value is 0."""
    values = values.double()
    at = torch.quantile(values, torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95], dtype=torch.float64)).tolist()
    sd = float(values.std()) if len(values) > 1 else 0.0
    p5, p25, p50, p75, p95 = (round(v, 5) for v in at)
    return Spread(
        n=len(values), mean=round(float(values.mean()), 5), sd=round(sd, 5), percentiles=(p5, p25, p50, p75, p95)
    )


def contrast(
    d_NN: Tensor, images: Sequence[str], effect: Effect, *, permutations: int, generator: torch.Generator
) -> Contrast:
    """Of one matrix; ``images`` says whose trigger every row is."""
    names = sorted(set(images))
    label = torch.tensor([names.index(image) for image in images])
    same, different, counts = _means(d_NN, label)
    value = _effect(same, different, effect)
    low, high = _jackknife(d_NN, label, effect, value)
    return Contrast(
        same=_rounded(same),
        different=_rounded(different),
        effect=effect,
        value=_rounded(value),
        low=_rounded(low),
        high=_rounded(high),
        p=_p(d_NN, label, effect, value, permutations, generator),
        images=len(names),
        pairs_same=counts[0],
        pairs_different=counts[1],
    )


def _means(d_NN: Tensor, label: Tensor) -> tuple[float | None, float | None, tuple[int, int]]:
    i, j = torch.triu_indices(len(label), len(label), offset=1)
    values, alike = d_NN[i, j], label[i] == label[j]
    kept = ~values.isnan()
    one, two = values[kept & alike], values[kept & ~alike]
    same = float(one.mean()) if len(one) else None
    different = float(two.mean()) if len(two) else None
    return same, different, (len(one), len(two))


def _effect(same: float | None, different: float | None, effect: Effect) -> float | None:
    if same is None or different is None:
        return None
    if effect == "difference":
        return same - different
    return same / different if different > 0 else None


def _p(
    d_NN: Tensor, label: Tensor, effect: Effect, value: float | None, permutations: int, generator: torch.Generator
) -> float | None:
    """How often a permutation of the labels looks at least as local."""
    if value is None:
        return None
    sign = 1 if effect == "ratio" else -1
    as_local = 0
    for _ in range(permutations):
        permuted = label[torch.randperm(len(label), generator=generator)]
        other = _effect(*_means(d_NN, permuted)[:2], effect)
        as_local += other is not None and sign * other <= sign * value + 1e-12
    return round((1 + as_local) / (1 + permutations), 6)


def _jackknife(d_NN: Tensor, label: Tensor, effect: Effect, value: float | None) -> tuple[float | None, float | None]:
    """Pseudo-values n·θ − (n−1)·θ₋ᵢ over images; their mean ± t · their standard error."""
    n = int(label.max()) + 1
    if value is None or n < FEWEST_IMAGES:
        return None, None
    pseudo = []
    for image in range(n):
        kept = label != image
        without = _effect(*_means(d_NN[kept][:, kept], label[kept])[:2], effect)
        if without is None:
            return None, None
        pseudo.append(n * value - (n - 1) * without)
    return interval(pseudo)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
