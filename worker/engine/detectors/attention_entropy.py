"""Attention entropy: how spread cross-attention is over the tokens, and how that changes while sampling.

Ren et al., Unveiling and Mitigating Memorization in Text-to-Image Diffusion Models through Cross Attention, ECCV 2024
(arXiv 2403.11052); code renjie3/MemAttn, commit c66efd2.

    ā_t   = mean over layers, heads and pixels of A      the conditional rows' attention, a distribution over L tokens
    E_t   = − Σ_i ā_ti ln ā_ti                           at most ln L
    E_t°  = the same sum over the summary tokens alone: the end token and the padding behind it
    D     = mean of E_t over the last steps + (mean of E_t° over the last steps − E_0°)
    E     = E_0 of one layer

The mean comes before the entropy. The difference in D is signed as in the released code; the paper takes its size.

Shapes: N prompts, S noises, H heads, P pixels, L tokens.
"""

import torch
from torch import Tensor

from palimpsest.contract.methods import AttentionEntropyParams
from worker.engine.attention import Seen
from worker.engine.errors import MethodFailed
from worker.engine.setting import Setting
from worker.engine.trajectory import blocks, follow, noises, repeated


def score(setting: Setting, prompts: list[str], params: AttentionEntropyParams) -> Tensor:
    """D or E of every prompt, N."""
    metric = metric_d if params.metric == "D" else metric_e
    parts = [metric(setting, part, params) for part in blocks(prompts, params.images)]
    return torch.cat([part.unflatten(0, (-1, params.images)).mean(dim=1) for part in parts])


def metric_d(setting: Setting, prompts: list[str], params: AttentionEntropyParams) -> Tensor:
    """D of every prompt and noise, N·S."""
    tracked = attended(setting, prompts, params.images, first=None)
    lengths = setting.model.lengths(prompts).repeat_interleave(params.images)
    a_t = [torch.stack(list(layers.values())).mean(dim=(0, 2)) for layers in tracked]
    E = torch.stack([entropy(a) for a in a_t])
    E_summary = torch.stack([entropy(a, summary(lengths, a.shape[1])) for a in a_t])
    last = min(params.last_steps, len(a_t))
    return E[-last:].mean(dim=0) + (E_summary[-last:].mean(dim=0) - E_summary[0])


def metric_e(setting: Setting, prompts: list[str], params: AttentionEntropyParams) -> Tensor:
    """E of every prompt and noise, N·S."""
    [layers] = attended(setting, prompts, params.images, first=1)
    if params.layer >= len(layers):
        raise MethodFailed(f"attention_entropy looks at layer {params.layer}, the model has {len(layers)}, from 0 on")
    return entropy(list(layers.values())[params.layer].mean(dim=1))


def attended(setting: Setting, prompts: list[str], S: int, first: int | None) -> list[dict[str, Tensor]]:
    """A of the conditional rows, averaged over pixels: by step and layer, N·S×H×L."""
    model, tracked = setting.model, list[dict[str, Tensor]]()
    seen = Seen(lambda A: A.mean(dim=2))

    def step(_: Tensor) -> None:
        tracked.append({path: both.chunk(2)[1] for path, both in seen.take().items()})

    with model.attention_of(model.cross_attention(), see=seen.see):
        follow(setting, repeated(model, prompts, S), noises(setting, len(prompts), S), step, first)
    return tracked


def entropy(a: Tensor, where: Tensor | None = None) -> Tensor:
    """− Σ_i a_i ln a_i of every row of a (B×L), over the tokens ``where`` is true; 0 ln 0 = 0."""
    terms = -torch.special.xlogy(a, a)
    return (terms if where is None else terms * where).sum(dim=1)


def summary(lengths: Tensor, L: int) -> Tensor:
    """Which tokens summarize a prompt of so many, B×L: from its end token on."""
    return torch.arange(L) >= lengths.unsqueeze(1) - 1
