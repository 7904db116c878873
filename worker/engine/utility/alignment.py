"""Does a picture still show what was asked for? The unmitigated model decides, by its own denoising loss.

The rule is that of Li et al., Your Diffusion Model is Secretly a Zero-Shot Classifier, ICCV 2023 (arXiv 2303.16203).

    assigned(x) = argmin_c  mean over B of ‖ε − ε_θ(x_t, t, y_c)‖²        the same (t, ε) for all prompts c

``aligned`` is the share of pictures that are assigned to the prompt they were drawn for, among K; chance is 1/K. It is
*not* CLIP similarity: no image tower comes with the text encoder of the models audited here. θ is always the
unmitigated model, for pictures from before and after alike, so that a mitigated model is not its own judge; what the
unmitigated model cannot tell apart, this measure cannot either, and pictures from before show how much that is.

Shapes: R pictures, K prompts, B noise pairs, x_0 R×C×H×W.
"""

import torch
from torch import Tensor

from worker.engine.diffusion import denoising_loss
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting


def candidates(setting: Setting, prompt: str, K: int) -> list[str]:
    """The prompt and K − 1 others, drawn from the neutral ones; fewer where there are fewer different ones."""
    others = [other for other in dict.fromkeys(setting.neutral) if other != prompt]
    generator = generator_for(setting.seed, "utility", "candidates", prompt)
    chosen = torch.randperm(len(others), generator=generator)[: K - 1].tolist()
    return [prompt, *(others[i] for i in chosen)]


@torch.no_grad()
def aligned(setting: Setting, x_0: Tensor, prompt: str, K: int, B: int) -> Tensor:
    """Which of the R latents of one prompt's pictures are assigned to it: R, True or False."""
    losses = candidate_losses(setting, x_0, candidates(setting, prompt, K), prompt, B)
    return losses.argmin(dim=1) == 0


def candidate_losses(setting: Setting, x_0: Tensor, prompts: list[str], purpose: str, B: int) -> Tensor:
    """The mean denoising loss of every latent under every prompt, R×K; (t, ε) depend on ``purpose`` and the place."""
    model, R, K = setting.model, len(x_0), len(prompts)
    draws = [generator_for(setting.seed, "utility", "assign", purpose, r) for r in range(R)]
    t = torch.stack([torch.randint(len(model.alpha_bar), (B,), generator=g) for g in draws])
    eps = torch.stack([torch.randn((B, *x_0.shape[1:]), generator=g) for g in draws])
    y = model.encode_prompts(prompts)
    losses = denoising_loss(
        model.eps,
        x_0.repeat_interleave(K * B, dim=0),
        y.repeat_interleave(B, dim=0).repeat(R, 1, 1),
        t.repeat_interleave(K, dim=0).flatten(),
        eps.repeat_interleave(K, dim=0).flatten(0, 1),
        model.alpha_bar,
    )
    return losses.view(R, K, B).mean(dim=2)
