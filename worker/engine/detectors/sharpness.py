"""Sharpness: how strongly the text's landscape is bent along its own score, before the first step.

Jeon et al., Understanding and Mitigating Memorization in Generative Models via Sharpness of Probability Landscapes,
ICML 2025 (arXiv 2412.04140); code Dongjae0324/sharpness_memorization_diffusion, commit f4ee4b8.

    s(x, y) = − ε_θ(x, t, y)/√(1−ᾱ_t)            s^Δ = s(x, y) − s(x, ∅)            H^Δ = ∂s^Δ/∂x
    score   = mean over noises of ‖H^Δ(x_T) · s^Δ(x_T)‖₂

H^Δ·v is one forward-mode product, never the matrix. The norm is not squared, as in the released code. v-prediction
models are differentiated through their exact score; the release uses another form, 0.6 % off.

Shapes: N prompts, S noises, x N·S×C×H×W.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from palimpsest.contract.methods import SharpnessParams
from worker.engine.diffusion import Denoiser
from worker.engine.setting import Setting
from worker.engine.trajectory import blocks, first_timestep, noises, norms, repeated


def score(setting: Setting, prompts: list[str], params: SharpnessParams) -> Tensor:
    """The sharpness of every prompt, N."""
    parts = [bent(setting, part, params.images) for part in blocks(prompts, params.images)]
    return torch.cat(parts).unflatten(0, (-1, params.images)).mean(dim=1)


@torch.no_grad()
def bent(setting: Setting, prompts: list[str], S: int) -> Tensor:
    """‖H^Δ s^Δ‖ of every prompt and noise, N·S. A tangent is counted as one more pass beside its own."""
    model = setting.model
    y, x_T = repeated(model, prompts, S), noises(setting, len(prompts), S)
    t = torch.full((len(x_T),), first_timestep(setting))

    def eps_theta(x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return model.eps(x, t, y)

    y_empty = model.encode_prompts([""]).expand_as(y)
    with differentiable_forward(model.unet):
        H_s = hessian_along_score(eps_theta, x_T, t, y, y_empty, model.alpha_bar)
    model.work.forwards += 2 * len(x_T)
    return norms(H_s)


@contextmanager
def differentiable_forward(unet: nn.Module) -> Iterator[None]:
    """Forward-mode derivatives: fused attention has none, and that of group norm wants its input channels-first."""
    norms = [module for module in unet.modules() if isinstance(module, nn.GroupNorm)]
    hooks = [norm.register_forward_pre_hook(lambda _, args: args[0].contiguous()) for norm in norms]
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        for hook in hooks:
            hook.remove()


def hessian_along_score(
    eps_theta: Denoiser, x: Tensor, t: Tensor, y: Tensor, y_empty: Tensor, alpha_bar: Tensor
) -> Tensor:
    """H^Δ s^Δ at x, of x's shape."""
    sigma = (1 - alpha_bar[t]).sqrt().view(-1, 1, 1, 1)

    def s_delta(x: Tensor) -> Tensor:
        both = eps_theta(torch.cat([x, x]), torch.cat([t, t]), torch.cat([y_empty, y]))
        eps_u, eps_c = both.chunk(2)
        return -(eps_c - eps_u) / sigma

    H_s: Tensor = torch.func.jvp(s_delta, (x,), (s_delta(x),))[1]
    return H_s
