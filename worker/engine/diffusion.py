"""The equations everything rests on. T = 1000 training steps; ᾱ_t is ``alpha_bar[t]``.

Letters: x_0 latent, x_t noised latent, ε noise, ε_θ the denoiser, y text embedding, g guidance scale.
Shapes: x N×C×H×W, t N, y N×L×D.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Denoiser = Callable[[Tensor, Tensor, Tensor], Tensor]


def q_sample(x_0: Tensor, t: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    """x_t = √ᾱ_t · x_0 + √(1 − ᾱ_t) · ε   (Ho et al. 2020, Eq. 4)"""
    a = alpha_bar[t].view(-1, 1, 1, 1)
    return a.sqrt() * x_0 + (1 - a).sqrt() * eps


def denoising_loss(
    eps_theta: Denoiser, x_0: Tensor, y: Tensor, t: Tensor, eps: Tensor, alpha_bar: Tensor, mask: Tensor | None = None
) -> Tensor:
    """‖ε − ε_θ(x_t, t, y)‖², the mean over C·H·W, one value per row   (Ho et al. 2020, Eq. 14)

    With a mask m, N×1×H×W of zeros and ones, the mean is over the latents where it is 1.
    """
    error = (eps - eps_theta(q_sample(x_0, t, eps, alpha_bar), t, y)).pow(2)
    if mask is None:
        return error.flatten(1).mean(dim=1)
    return (mask * error.mean(dim=1, keepdim=True)).flatten(1).sum(dim=1) / mask.flatten(1).sum(dim=1)


def ddim_timesteps(steps: int, T: int = 1000, offset: int = 1) -> list[int]:
    """Leading spacing, as Stable Diffusion samples: 50 steps are 981, 961, …, 1."""
    return [i * (T // steps) + offset for i in reversed(range(steps))]


def ddim_step(x_t: Tensor, eps: Tensor, a_t: Tensor, a_previous: Tensor) -> Tensor:
    """x_{t−1} = √ᾱ_{t−1} · (x_t − √(1−ᾱ_t) ε)/√ᾱ_t + √(1−ᾱ_{t−1}) · ε   (Song et al. 2021, Eq. 12 with σ = 0)"""
    x_0 = (x_t - (1 - a_t).sqrt() * eps) / a_t.sqrt()
    return a_previous.sqrt() * x_0 + (1 - a_previous).sqrt() * eps


def guided(eps_theta: Denoiser, x_t: Tensor, t: Tensor, y: Tensor, y_empty: Tensor, g: float) -> Tensor:
    """ε̂ = ε_u + g · (ε_c − ε_u), both halves in one call   (Ho & Salimans 2021, Eq. 6)"""
    both = eps_theta(torch.cat([x_t, x_t]), torch.cat([t, t]), torch.cat([y_empty.expand_as(y), y]))
    eps_u, eps_c = both.chunk(2)
    return eps_u + g * (eps_c - eps_u)


@torch.no_grad()
def sample(
    eps_theta: Denoiser,
    x_T: Tensor,
    y: Tensor,
    y_empty: Tensor,
    *,
    steps: int,
    g: float,
    alpha_bar: Tensor,
    first: int | None = None,
) -> Tensor:
    """x_0 by deterministic DDIM with classifier-free guidance; the last ᾱ is ᾱ_0, as Stable Diffusion has it.

    With ``first``, only that many steps are taken and the still noisy latent is returned.
    """
    timesteps = ddim_timesteps(steps, len(alpha_bar))
    x_t = x_T
    for t, t_previous in list(zip(timesteps, [*timesteps[1:], None], strict=True))[:first]:
        eps = guided(eps_theta, x_t, torch.full((len(x_t),), t), y, y_empty, g)
        a_previous = alpha_bar[0] if t_previous is None else alpha_bar[t_previous]
        x_t = ddim_step(x_t, eps, alpha_bar[t], a_previous)
    return x_t
