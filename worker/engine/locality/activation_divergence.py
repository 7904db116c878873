"""Triggers of one image activate the network differently: the second indication.

Kowalczuk et al., Finding DoRI (arXiv 2507.16880).

    D_ℓ(Y) = mean over pairs i < j of ‖a_ℓ(y_i) − a_ℓ(y_j)‖₂          the same initial noise for every y

Layers are those the pruning methods read: NeMo's value layers (their outputs W_V y, which no noise reaches) and the
inputs of the feed-forward layers Wanda prunes, at the first denoising step, conditional half only. The paper does not
say how tokens are reduced, so both ways stand side by side:

    tokens     a is every entry, flattened: what differs at all
    statistic  a is what the method bases its choice on: mean over tokens of |W_V y| for NeMo, the column norms A of
               unit rows for Wanda. A start of pure noise differs in every token; the statistic is the fairer test.

Locality would make D of one image's triggers much smaller than D of different images' triggers, or of different
memorized captions. The paper's own comparison is the latter, ``captions``.
"""

from collections.abc import Iterator

import torch
from pydantic import BaseModel
from torch import Tensor

from palimpsest.contract.methods import LocalityParams
from worker.engine.diffusion import ddim_timesteps
from worker.engine.locality.pairs import Contrast, among, contrast, distances
from worker.engine.locality.triggers import Triggers
from worker.engine.rates import holm
from worker.engine.seeds import generator_for, noise
from worker.engine.setting import Setting


class LayerDivergence(BaseModel):
    """One layer, one way to reduce; ``captions`` is D over the memorized captions, ``prompts`` over neutral ones."""

    start: str
    method: str
    layer: str
    reduction: str
    contrast: Contrast
    p_adjusted: float | None
    captions: float
    prompts: float


def analyse(
    setting: Setting, found: Triggers, captions: list[str], prompts: list[str], params: LocalityParams
) -> list[LayerDivergence]:
    """Every layer of both methods, p adjusted over the layers of one method and reduction (Holm)."""
    model = setting.model
    y = torch.cat([found.y, model.encode_prompts(captions), model.encode_prompts(prompts)])
    ends = (len(found.y), len(found.y) + len(captions))
    rows = [
        _layer(setting, found, method, layer, reduction, a, ends, params)
        for method, layer, a_NTI in activations(setting, y)
        for reduction, a in (("tokens", a_NTI), ("statistic", statistic(method, a_NTI)))
    ]
    return [row for group in _families(rows) for row in _adjusted(group)]


def _layer(
    setting: Setting,
    found: Triggers,
    method: str,
    layer: str,
    reduction: str,
    a: Tensor,
    ends: tuple[int, int],
    params: LocalityParams,
) -> LayerDivergence:
    generator = generator_for(setting.seed, "locality", "divergence", found.start, method, layer, reduction)
    triggers, captions, prompts = a[: ends[0]], a[ends[0] : ends[1]], a[ends[1] :]
    return LayerDivergence(
        start=found.start,
        method=method,
        layer=layer,
        reduction=reduction,
        contrast=contrast(
            distances(triggers), found.images, "ratio", permutations=params.permutations, generator=generator
        ),
        p_adjusted=None,
        captions=discrepancy(captions),
        prompts=discrepancy(prompts),
    )


def discrepancy(a: Tensor) -> float:
    """D: the mean distance between two of them; 0 where there are fewer than two."""
    return round(float(among(distances(a)).mean()), 5) if len(a) > 1 else 0.0


def activations(setting: Setting, y: Tensor) -> Iterator[tuple[str, str, Tensor]]:
    """Method, layer and activations N×T×I, one layer at a time so that large models fit."""
    for path, layer in setting.model.value_layers().items():
        yield "nemo", path, y @ layer.weight.detach().T
    for path in setting.model.feedforward_layers():
        yield "wanda", path, feedforward_inputs(setting, y, path)


def feedforward_inputs(setting: Setting, y: Tensor, path: str) -> Tensor:
    """H, N×T×I: the inputs of one feed-forward layer at the first denoising step, from one noise for all."""
    model = setting.model
    parts: dict[int, Tensor] = {}

    def read(_: str, h: Tensor) -> None:
        parts[model.rows.start] = h

    x_T = noise(model.latent_shape, [("locality",)], setting.seed).expand(len(y), -1, -1, -1)
    t = torch.full((len(y),), ddim_timesteps(setting.sampler.steps, len(model.alpha_bar))[0])
    with torch.no_grad(), model.inputs_of({path: model.feedforward_layers()[path]}, read):
        model.eps(x_T, t, y)
    return torch.cat(list(parts.values()))


def statistic(method: str, a_NTI: Tensor) -> Tensor:
    """What the method looks at, N×I: NeMo's mean of |a| over tokens, Wanda's column norms of rows of unit length."""
    if method == "nemo":
        return a_NTI.abs().mean(dim=1)
    rows = a_NTI / a_NTI.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    return rows.pow(2).sum(dim=1).sqrt()


def _families(rows: list[LayerDivergence]) -> list[list[LayerDivergence]]:
    keys = dict.fromkeys((row.method, row.reduction) for row in rows)
    return [[row for row in rows if (row.method, row.reduction) == key] for key in keys]


def _adjusted(rows: list[LayerDivergence]) -> list[LayerDivergence]:
    tested = [row for row in rows if row.contrast.p is not None]
    p = dict(zip((row.layer for row in tested), holm([row.contrast.p or 0.0 for row in tested]), strict=True))
    return [row.model_copy(update={"p_adjusted": p.get(row.layer)}) for row in rows]
