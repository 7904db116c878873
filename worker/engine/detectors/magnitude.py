"""Magnitude: how much the text adds to the prediction.

Wen et al., Detecting, Explaining, and Mitigating Memorization in Diffusion Models, ICLR 2024 (arXiv 2407.21720);
code YuxinWenRick/diffusion_memorization, commit c8fe471.

    d(y) = mean over noises and steps of ‖ε_θ(x_t, t, y) − ε_θ(x_t, t, ∅)‖₂     along the ordinary guided trajectory

Shapes: N prompts, S noises.
"""

import torch
from torch import Tensor

from palimpsest.contract.methods import MagnitudeParams
from worker.engine.setting import Setting
from worker.engine.trajectory import blocks, follow, noises, norms, repeated


def score(setting: Setting, prompts: list[str], params: MagnitudeParams) -> Tensor:
    """d of every prompt, N."""
    return torch.cat([track(setting, part, params).mean(dim=(1, 2)) for part in blocks(prompts, params.images)])


def track(setting: Setting, prompts: list[str], params: MagnitudeParams) -> Tensor:
    """‖Δ‖ of every prompt, noise and step, N×S×steps: the first step, the first ten or all are means of its parts."""
    S, seen = params.images, list[Tensor]()
    y, x_T = repeated(setting.model, prompts, S), noises(setting, len(prompts), S)
    first = None if params.steps is None else min(params.steps, setting.sampler.steps)
    follow(setting, y, x_T, lambda delta: seen.append(norms(delta)), first)
    return torch.stack(seen, dim=1).unflatten(0, (len(prompts), S))
