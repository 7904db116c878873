"""Attention rescaling: turn cross-attention away from the tokens that summarize a prompt and towards the first.

Ren et al., Unveiling and Mitigating Memorization in Text-to-Image Diffusion Models through Cross Attention, ECCV 2024
(arXiv 2403.11052); code renjie3/MemAttn, commit c66efd2.

    z_i = −∞          mask "padding": i ≥ len; mask "summary": i ≥ len − 1, the end token too
    z_0 ← c1 · z_0    the first token's logit, before the softmax

in all cross-attention layers, at all steps, on the conditional rows. Deviations: the release picks rows in a way that
is right for one picture only, and masks the unconditional row by the conditional prompt's length; here every
conditional row has its own length and the unconditional half is left alone. As in the release, c1 lowers a negative
logit.

Shapes: R rows, H heads, P pixels, L tokens. ``lengths`` R counts both special tokens; it is 0 on unconditional rows and
L + 1 where nothing is known to be end or padding.
"""

import torch
from torch import Tensor

from palimpsest.contract.methods import AttentionRescalingParams
from worker.engine.conditioning import Conditioned, Conditioning, Values
from worker.engine.items import Item
from worker.engine.setting import Setting


def apply(setting: Setting, targets: list[Item], params: AttentionRescalingParams) -> Conditioned:
    """The conditioning. Nothing is looked at."""
    values: Values = {"c1": params.c1, "mask": params.mask}
    note = "attention_rescaling: an embedding has no length, so that of its tokens none is masked"
    return Conditioned(conditioning(values), [note])


def conditioning(values: Values) -> Conditioning:
    """From what ``apply`` wrote down."""

    def attend(logits: Tensor, lengths: Tensor) -> Tensor:
        return rescaled(logits, lengths, values["c1"], values["mask"])

    return Conditioning("attention_rescaling", values, attend=attend)


def rescaled(logits: Tensor, lengths: Tensor, c1: float, mask: str) -> Tensor:
    """z' of z, R×H×P×L."""
    L, asked = logits.shape[3], lengths > 0
    factor = torch.ones(len(logits), L)
    factor[asked, 0] = c1
    ends = torch.where(asked, lengths - int(mask == "summary"), L)
    masked = (torch.arange(L) >= ends.unsqueeze(1)) & (mask != "none")
    return (logits * factor[:, None, None]).masked_fill(masked[:, None, None], float("-inf"))
