"""SISS: unlearn an image by subtracting its importance-sampled score.

Alberti et al., Data Unlearning in Diffusion Models, ICLR 2025 (arXiv 2503.01034); code claserken/SISS, commit af2a29c.
x is a picture to keep, a the one to delete, both with the same t, ε and caption c; γ = √ᾱ_t, σ = √(1 − ᾱ_t).

    m   = γ·a + σ·ε with probability λ, else γ·x + σ·ε
    D_x = ‖m − γx‖²/(2σ²),  ε_x = (m − γx)/σ                                            D_a, ε_a likewise
    w_x = 1/((1 − λ) + λ·exp(D_x − D_a)),  w_a = 1/((1 − λ)·exp(D_a − D_x) + λ)
    g_x = ∇_θ mean_B w_x·‖ε_θ(m, t, c) − ε_x‖²,  g_a likewise                            sums over C·H·W
    g   = g_x − s·g_a,  s = scaling_norm/‖g_a‖;  then the total is clipped

One pass through the denoiser serves both gradients. The exponentials are taken in log space: D is 10³ and more at small
t. The released pictures to keep are those of 128 draws for a reworded caption that are no copies; here they are the
stand-ins of docs/decisions/0007, under the target's own caption.

Shapes: N targets, K stand-ins of each, B rows, x, a, m, ε B×C×H×W, t B.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from palimpsest.contract.methods import SissParams
from worker.engine import finetuning, own_draws
from worker.engine.edits import Mitigated
from worker.engine.errors import MethodFailed
from worker.engine.finetuning import Course, Gradients, Learner, Pull, Recipe
from worker.engine.items import Item
from worker.engine.own_draws import StandIns
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting

STEPS_A_TARGET = 35


def apply(setting: Setting, targets: list[Item], params: SissParams) -> Mitigated:
    """Δ of the whole denoiser, trained on all targets that have a caption."""
    prompted = [target for target in targets if target.prompt is not None]
    if not prompted:
        raise MethodFailed("siss deletes an image under its caption and none of these targets has one")
    captions = setting.model.encode_prompts([target.prompt or "" for target in prompted])
    images, keep = own_draws.images_of(setting, prompted), own_draws.stand_ins(setting, prompted, params.stand_ins)
    course = Course(
        finetuning.learner_of(setting.model, lambda _: True),
        Recipe(params.steps or STEPS_A_TARGET * len(prompted), params.learning_rate, params.weight_decay, params.clip),
        finetuning.identity(setting, targets, params),
    )
    edit = finetuning.train(
        setting, course, lambda step: pull(setting, course.learner, captions, images, keep, params, step)
    )
    notes = [finetuning.told(setting, params, course, edit), f"{params.name}: {keep.told()}"]
    notes += [f"{t.id} has no prompt: siss does nothing for it" for t in targets if t.prompt is None]
    return Mitigated(edit, "joint", notes)


@dataclass(frozen=True)
class Mixture:
    """m with both noises that could have led to it, B×C×H×W, and both weights, B."""

    m: Tensor
    eps_x: Tensor
    eps_a: Tensor
    w_x: Tensor
    w_a: Tensor


def mixture(x: Tensor, a: Tensor, t: Tensor, eps: Tensor, deleted: Tensor, lam: float, alpha_bar: Tensor) -> Mixture:
    """m is a_t where ``deleted`` (B), else x_t."""
    gamma, sigma = (v.sqrt().view(-1, 1, 1, 1) for v in (alpha_bar[t], 1 - alpha_bar[t]))
    m = gamma * torch.where(deleted.view(-1, 1, 1, 1), a, x) + sigma * eps
    eps_x, eps_a = (m - gamma * x) / sigma, (m - gamma * a) / sigma
    D_x, D_a = (e.pow(2).flatten(1).sum(dim=1) / 2 for e in (eps_x, eps_a))
    w_x, w_a = importance(D_x - D_a, lam)
    return Mixture(m, eps_x, eps_a, w_x, w_a)


def importance(d: Tensor, lam: float) -> tuple[Tensor, Tensor]:
    """w_x and w_a of d = D_x − D_a."""
    keep, delete = (torch.tensor(math.log(p) if p > 0 else -math.inf) for p in (1 - lam, lam))
    return torch.exp(-torch.logaddexp(keep, delete + d)), torch.exp(-torch.logaddexp(keep - d, delete))


def pull(
    setting: Setting,
    learner: Learner,
    captions: Tensor,
    images: Tensor,
    keep: StandIns,
    params: SissParams,
    step: int,
) -> Pull:
    """g_x − s·g_a on B rows, of targets and stand-ins at random."""
    own = generator_for(setting.seed, "siss", "step", step)
    B, alpha_bar = params.batch_size, learner.alpha_bar
    i = torch.randint(len(images), (B,), generator=own)
    x = keep.x_0[i, torch.randint(params.stand_ins, (B,), generator=own)]
    t, eps = finetuning.noised(x, len(alpha_bar), own)
    if params.timesteps == "last":
        t = torch.full_like(t, len(alpha_bar) - 1)
    deleted = torch.rand(B, generator=own) < params.mix
    mixed = mixture(x, images[i], t, eps, deleted, params.mix, alpha_bar)
    g_x, g_a, losses = both_gradients(learner, mixed, t, captions[i])
    norm_x, norm_a = finetuning.norm(g_x), finetuning.norm(g_a)
    scaled = params.scaling * norm_x if params.scaling_norm is None else params.scaling_norm
    return Pull(subtracted(g_x, g_a, scaled / norm_a if norm_a else 0.0), losses)


def both_gradients(
    learner: Learner, mixed: Mixture, t: Tensor, y: Tensor
) -> tuple[Gradients, Gradients, dict[str, float]]:
    """g_x and g_a from one pass, and both losses."""
    theta = list(learner.theta.values())
    g_x: Gradients = [None] * len(theta)
    g_a: Gradients = [None] * len(theta)
    B = len(t)

    def part(of: slice) -> tuple[float, float]:
        eps_hat = learner.eps(mixed.m[of], t[of], y[of])
        L_x = weighted(eps_hat, mixed.eps_x[of], mixed.w_x[of]).sum() / B
        L_a = weighted(eps_hat, mixed.eps_a[of], mixed.w_a[of]).sum() / B
        of_x = torch.autograd.grad(L_x, theta, allow_unused=True, retain_graph=True)
        of_a = torch.autograd.grad(L_a, theta, allow_unused=True)
        finetuning.add(g_x, of_x)
        finetuning.add(g_a, of_a)
        return L_x.item(), L_a.item()

    seen = learner.parts_with_gradient.of(B, part)
    return g_x, g_a, {"keep": sum(x for x, _ in seen), "delete": sum(a for _, a in seen)}


def weighted(eps_hat: Tensor, eps: Tensor, w: Tensor) -> Tensor:
    """w·‖ε̂ − ε‖², the sum over C·H·W, one value a row."""
    return w * (eps_hat - eps).pow(2).flatten(1).sum(dim=1)


def subtracted(g_x: Gradients, g_a: Gradients, s: float) -> Gradients:
    """g_x − s·g_a; both come from one prediction, so that a weight has both or neither."""
    return [None if x is None or a is None else x - s * a for x, a in zip(g_x, g_a, strict=True)]
