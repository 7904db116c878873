"""What a text adds along the way: Δ_t = ε_θ(x_t, t, y) − ε_θ(x_t, t, ∅) on the audit's own trajectory.

Detectors read Δ. A memorized text pulls every noise towards one picture, so its Δ is larger, and points one way.

Shapes: N texts, S noises each, x N·S×C×H×W with the noises of a text side by side, y N×L×D.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from worker.engine.diffusion import ddim_timesteps, sample
from worker.engine.model import MOST_ROWS, DiffusionModel
from worker.engine.seeds import noise
from worker.engine.setting import Setting


@torch.no_grad()
def follow(setting: Setting, y: Tensor, x_T: Tensor, see: Callable[[Tensor], None], first: int | None = None) -> None:
    """Sample as the audit does, from x_T with y (both of N·S rows), and call ``see`` with Δ_t at every step.

    ``first``: only that many steps, as few as one.
    """
    model = setting.model

    def eps_theta(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        both = model.eps(x_t, t, y)
        eps_u, eps_c = both.chunk(2)
        see(eps_c - eps_u)
        return both

    steps, g = setting.sampler.steps, setting.sampler.guidance
    sample(eps_theta, x_T, y, model.encode_prompts([""]), steps=steps, g=g, alpha_bar=model.alpha_bar, first=first)


def noises(setting: Setting, texts: int, S: int) -> Tensor:
    """x_T, N·S×C×H×W: the same S noises for every text, so that a score depends on nothing but its text."""
    x_T = noise(setting.model.latent_shape, [("detect", s) for s in range(S)], setting.seed)
    return x_T.repeat(texts, 1, 1, 1)


def first_timestep(setting: Setting) -> int:
    """The t at which sampling begins."""
    return ddim_timesteps(setting.sampler.steps, len(setting.model.alpha_bar))[0]


def blocks(prompts: list[str], S: int) -> Iterator[list[str]]:
    """The prompts in parts that pass through the denoiser at once, both halves of the guidance together."""
    each = max(1, MOST_ROWS // (2 * S))
    for start in range(0, len(prompts), each):
        yield prompts[start : start + each]


def norms(delta: Tensor) -> Tensor:
    """‖Δ‖₂ over C·H·W, one value per row."""
    return delta.flatten(1).norm(dim=1)


def repeated(model: DiffusionModel, prompts: list[str], S: int) -> Tensor:
    """y of every prompt, S times side by side: N·S×L×D."""
    return model.encode_prompts(prompts).repeat_interleave(S, dim=0)
