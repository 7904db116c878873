"""Sets of neurons or weights as the methods select them, packed eight to a byte, and how far two agree.

    IoU(A, B) = |A ∩ B| / |A ∪ B|
    chance    = Σ_k P(|A ∩ B| = k) · k / (a + b − k)      two random sets of a and b among n: hypergeometric

Shapes: N embeddings, L×D each.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import gammaln
from torch import Tensor

from palimpsest.contract.methods import NemoParams, WandaParams
from worker.engine.mitigations import nemo, wanda
from worker.engine.setting import Setting

Packed = NDArray[np.uint8]


@dataclass(frozen=True)
class Chosen:
    """What a method selects in one layer of ``units`` neurons or weights, for N embeddings."""

    units: int
    sets: list[Packed]


def nemo_sets(setting: Setting, y: Tensor, hold_out: nemo.HoldOut, params: NemoParams) -> dict[str, Chosen]:
    """NeMo's neurons for every embedding, by layer; none where it sees no memorization."""
    found = nemo.neurons_of(setting, y, hold_out, params)
    return {
        path: Chosen(layer.out_features, [_of(found.get(i, {}), path, layer.out_features) for i in range(len(y))])
        for path, layer in setting.model.value_layers().items()
    }


def _of(masks: dict[str, Tensor], path: str, width: int) -> Packed:
    return pack(masks.get(path, torch.zeros(width, dtype=torch.bool)))


def wanda_sets(setting: Setting, y: Tensor, params: WandaParams) -> dict[str, Chosen]:
    """Wanda's weights for every embedding, by layer."""
    masks = list(_wanda_masks(setting, y, params))
    return {
        path: Chosen(layer.weight.numel(), [one[path] for one in masks])
        for path, layer in setting.model.feedforward_layers().items()
    }


def _wanda_masks(setting: Setting, y: Tensor, params: WandaParams) -> Iterator[dict[str, Packed]]:
    """One embedding at a time: a real model has tens of millions of weights."""
    A = wanda.column_norms_of(setting, y, params.timesteps)
    one = wanda.column_norms(setting, [""], params.timesteps)
    A_base = [{path: rows.expand(len(y), -1) for path, rows in step.items()} for step in one]
    weights = {path: layer.weight.detach() for path, layer in setting.model.feedforward_layers().items()}
    for i in range(len(y)):
        masks = wanda.masks(weights, A, A_base, i, params.sparsity)
        yield {path: pack(mask) for path, mask in masks.items()}


def pack(mask: Tensor) -> Packed:
    """Eight entries to a byte."""
    return np.packbits(mask.numpy().reshape(-1))


def unpack(packed: Packed, shape: Sequence[int]) -> Tensor:
    """The mask again."""
    return torch.from_numpy(np.unpackbits(packed, count=math.prod(shape)).astype(bool)).view(*shape)


def count(packed: Packed) -> int:
    """How many entries are set."""
    return int(np.bitwise_count(packed).sum())


def iou(a: Packed, b: Packed) -> float:
    """|A ∩ B| / |A ∪ B|; NaN where both are empty."""
    both = count(a & b)
    either = count(a) + count(b) - both
    return both / either if either else math.nan


def agreements(sets: Sequence[Packed], others: Sequence[Packed] | None = None) -> Tensor:
    """IoU of every set with every other one, or with every one of ``others``; rows are ``sets``."""
    beside = sets if others is None else others
    values = [[iou(a, b) for b in beside] for a in sets]
    return torch.tensor(values, dtype=torch.float64).view(len(sets), len(beside))


@cache
def expected_iou(n: int, a: int, b: int) -> float:
    """The mean IoU of independent random sets of a and b among n; a + b > 0."""
    k = np.arange(max(0, a + b - n), min(a, b) + 1)
    log_p = _log_choose(a, k) + _log_choose(n - a, b - k) - _log_choose(n, np.array([b]))
    return float((np.exp(log_p) * k / (a + b - k)).sum())


def _log_choose(n: int, k: NDArray[np.int64]) -> NDArray[np.float64]:
    """log C(n, k); scipy.stats would take a second where this takes a millisecond."""
    chosen: NDArray[np.float64] = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return chosen
