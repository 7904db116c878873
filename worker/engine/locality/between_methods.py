"""Two methods pick different weights for the same image: the third indication, second half.

Kowalczuk et al., Finding DoRI (arXiv 2507.16880). NeMo selects output channels of W_V, Wanda single weights of the
second feed-forward layer: different units of different layers. They are made comparable in two ways, both ours:

    residual channels   both write into the C channels of the same transformer block. How much of what comes into
                        channel c each of them cuts:
                            u_c = Σ_{n ∈ S} |W^out_cn| / Σ_n |W^out_cn|        S: NeMo's neurons; W^out: attn2.to_out
                            v_c = Σ_{j: M_cj} |W_cj| / Σ_j |W_cj|              M: Wanda's mask; W: ff.net.2
                        compared: the tenth of the channels each cuts most (IoU), and all of them (rank correlation)
    value neurons       Wanda's rule on NeMo's own layers (attn2.to_v is one of its published ablations): a neuron's
                        score is the sum of S_ij over its masked weights; as many neurons as NeMo selected are taken

The null is that it makes no difference *whose* weights are compared: NeMo's for one image with Wanda's for another.
Its p is one-sided towards agreement; the interval is Student's t over images. Images for whose caption NeMo selects
nothing in the layer are left out and counted.

Shapes: N images, O neurons, C channels, I inputs.
"""

import math

import torch
from pydantic import BaseModel
from scipy.stats import spearmanr
from torch import Tensor, nn

from palimpsest.contract.methods import LocalityParams
from worker.engine.errors import MethodFailed
from worker.engine.locality.sets import Chosen, agreements, expected_iou, nemo_sets, pack, unpack, wanda_sets
from worker.engine.mitigations import wanda
from worker.engine.mitigations.nemo import HoldOut
from worker.engine.rates import interval
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting

TOP = 10
"""One channel in so many counts as cut most."""


class BetweenMethods(BaseModel):
    """NeMo's choice for an image against Wanda's for the same one (``one_image``) and for others (``two_images``)."""

    units: str
    layer: str
    images: int
    left_out: int
    one_image: float | None
    low: float | None
    high: float | None
    two_images: float | None
    chance: float | None
    rank_correlation: float | None
    p: float | None


def analyse(setting: Setting, captions: list[str], hold_out: HoldOut, params: LocalityParams) -> list[BetweenMethods]:
    """Both ways of comparison, per layer, over the captions of different images."""
    y = setting.model.encode_prompts(captions)
    neurons = {
        path: [unpack(one, (chosen.units,)) for one in chosen.sets]
        for path, chosen in nemo_sets(setting, y, hold_out, params.nemo).items()
    }
    weights = wanda_sets(setting, y, params.wanda)
    rows = []
    for path, S in neurons.items():
        block = path.removesuffix(".attn2.to_v")
        if f"{block}.ff.net.2" in weights:
            rows.append(_residual(setting, block, S, weights[f"{block}.ff.net.2"], params))
    return rows + [_values(setting, path, S, y, params) for path, S in neurons.items()]


def _residual(setting: Setting, block: str, S: list[Tensor], masks: Chosen, params: LocalityParams) -> BetweenMethods:
    """Residual channels of one transformer block."""
    W_out, W = weight(setting, f"{block}.attn2.to_out.0"), weight(setting, f"{block}.ff.net.2")
    kept = [i for i, neurons in enumerate(S) if bool(neurons.any())]
    u = [cut(W_out, S[i].expand_as(W_out)) for i in kept]
    v = [cut(W, unpack(masks.sets[i], W.shape)) for i in kept]
    k = max(1, len(W) // TOP)
    matrix = agreements([pack(largest(x, k)) for x in u], [pack(largest(x, k)) for x in v])
    return compared(
        setting.seed,
        "residual channels",
        block,
        matrix,
        left_out=len(S) - len(kept),
        chance=expected_iou(len(W), k, k),
        rank_correlation=_rank_correlation(u, v),
        permutations=params.permutations,
    )


def _rank_correlation(u: list[Tensor], v: list[Tensor]) -> float | None:
    """Spearman's, the mean over images; an image whose channels are all cut alike has none."""
    found = [float(spearmanr(a.numpy(), b.numpy()).statistic) for a, b in zip(u, v, strict=True) if _varies(a, b)]
    return sum(found) / len(found) if found else None


def _varies(*vectors: Tensor) -> bool:
    return all(bool((x != x[0]).any()) for x in vectors)


def _values(setting: Setting, path: str, S: list[Tensor], y: Tensor, params: LocalityParams) -> BetweenMethods:
    """Value neurons: NeMo's, and as many by Wanda's rule on the same layer."""
    scores = value_scores(setting, path, y, params.wanda.sparsity)
    kept = [i for i, neurons in enumerate(S) if bool(neurons.any())]
    sizes = [int(S[i].sum()) for i in kept]
    own = [pack(S[i]) for i in kept]
    rows = [agreements([a], [pack(largest(scores[j], k)) for j in kept]) for a, k in zip(own, sizes, strict=True)]
    chances = [expected_iou(len(S[i]), k, k) for i, k in zip(kept, sizes, strict=True)]
    return compared(
        setting.seed,
        "value neurons",
        path.removesuffix(".attn2.to_v"),
        torch.cat(rows) if rows else torch.zeros(0, 0, dtype=torch.float64),
        left_out=len(S) - len(kept),
        chance=sum(chances) / len(chances) if chances else None,
        rank_correlation=None,
        permutations=params.permutations,
    )


def compared(
    seed: int,
    units: str,
    layer: str,
    iou_NN: Tensor,
    *,
    left_out: int,
    chance: float | None,
    rank_correlation: float | None,
    permutations: int,
) -> BetweenMethods:
    """The diagonal (one image) against the rest (two); fewer than two images have no null and no interval."""
    n = iou_NN.shape[0]
    own = iou_NN.diagonal()
    mean = float(own.mean()) if n else None
    others = float((iou_NN.sum() - own.sum()) / (n * (n - 1))) if n > 1 else None
    low, high = interval(own.tolist()) if n > 1 else (None, None)
    return BetweenMethods(
        units=units,
        layer=layer,
        images=n,
        left_out=left_out,
        one_image=_rounded(mean),
        low=_rounded(low),
        high=_rounded(high),
        two_images=_rounded(others),
        chance=_rounded(chance),
        rank_correlation=_rounded(rank_correlation),
        p=pairing_p(iou_NN, permutations, generator_for(seed, "locality", "between", units, layer)) if n > 1 else None,
    )


def pairing_p(iou_NN: Tensor, permutations: int, generator: torch.Generator) -> float:
    """(1 + #{permuted pairings that agree at least as much}) / (1 + permutations)."""
    n = len(iou_NN)
    mean = float(iou_NN.diagonal().mean())
    permuted = (iou_NN[torch.arange(n), torch.randperm(n, generator=generator)].mean() for _ in range(permutations))
    return round((1 + sum(float(m) >= mean - 1e-12 for m in permuted)) / (1 + permutations), 6)


def value_scores(setting: Setting, path: str, y: Tensor, sparsity: float) -> Tensor:
    """Wanda's rule on a value layer, whose input is the text: Σ_j S_ij over the masked weights of neuron i, N×O."""
    W = setting.model.value_layers()[path].weight.detach()
    empty = _column_squares(setting.model.encode_prompts([""]))
    A = [{path: (_column_squares(y) + empty).sqrt()}]
    A_base = [{path: (empty + empty).sqrt().expand(len(y), -1)}]
    masks = (wanda.masks({path: W}, A, A_base, i, sparsity)[path] for i in range(len(y)))
    return torch.stack([(wanda.importance(W, A[0][path][i]) * mask).sum(dim=1) for i, mask in enumerate(masks)])


def _column_squares(y: Tensor) -> Tensor:
    """Σ over tokens of the squared entries of unit rows, N×D: one half of the guided call."""
    rows = y / y.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    return rows.pow(2).sum(dim=1)


def weight(setting: Setting, path: str) -> Tensor:
    """A linear layer's weight by its path in the denoiser."""
    layer = setting.model.unet.get_submodule(path)
    if not isinstance(layer, nn.Linear):
        raise MethodFailed(f"{path} is not a linear layer: locality cannot map neurons to channels")
    return layer.weight.detach()


def cut(W_CI: Tensor, off_CI: Tensor) -> Tensor:
    """The share of each row's absolute weight that is off, C."""
    return (W_CI.abs() * off_CI).sum(dim=1) / W_CI.abs().sum(dim=1)


def largest(x: Tensor, k: int) -> Tensor:
    """True at the k largest entries; of equal ones, at the first."""
    chosen = torch.zeros(len(x), dtype=torch.bool)
    chosen[x.argsort(descending=True, stable=True)[:k]] = True
    return chosen


def _rounded(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, 6)
