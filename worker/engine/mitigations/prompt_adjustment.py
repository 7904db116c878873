"""Prompt adjustment: before drawing, move the embedding until the text adds no more than an ordinary one does.

Wen et al., Detecting, Explaining, and Mitigating Memorization in Diffusion Models, ICLR 2024 (arXiv 2407.21720);
code YuxinWenRick/diffusion_memorization, commit c8fe471.

    L(e) = ‖ε_θ(x_T, t_0, e) − ε_θ(x_T, t_0, ∅)‖₂
    until L ≤ ℓ_target, at most 10 times: one step of AdamW on e, the first token's gradient set to zero

Then sampling goes on from the same x_T with e. In the release n pictures share one e and L is the norm over all of
them, L² = Σ L_i², so that its target is √n times one picture's. Here every picture has its own e unless ``shared`` is
asked for; the target is always one picture's. AdamW's weight decay shrinks the first token a little all the same.

Shapes: N prompts, S pictures, L tokens, D width, x_T N×S×C×H×W.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from palimpsest.contract.methods import PromptAdjustmentParams
from worker.engine.conditioning import Conditioned, Conditioning, Values
from worker.engine.diffusion import Denoiser
from worker.engine.items import Item
from worker.engine.model import DiffusionModel
from worker.engine.parts import Parts
from worker.engine.setting import Setting
from worker.engine.trajectory import blocks, first_timestep, follow, noises, norms, repeated

WEIGHT_DECAY = 0.01
NEUTRAL_NOISES = 4


@dataclass(frozen=True)
class Adjusted:
    """e, N×L×D, and for every row L before each step it took and the L at which it stopped, if it did."""

    e: Tensor
    L: list[list[float]]


def apply(setting: Setting, targets: list[Item], params: PromptAdjustmentParams) -> Conditioned:
    """The conditioning with its target, which rests on neutral prompts unless it is given. No target is looked at."""
    target = params.target if params.target is not None else ordinary(setting)
    values: Values = {
        "target": round(target, 6),
        "learning_rate": params.learning_rate,
        "iterations": params.iterations,
        "shared": params.shared,
        "t": first_timestep(setting),
    }
    note = f"prompt_adjustment: ℓ_target = {target:.3f} for one picture; searches pass their gradient straight through"
    return Conditioned(conditioning(values), [note])


def conditioning(values: Values) -> Conditioning:
    """From what ``apply`` wrote down."""

    def settle(model: DiffusionModel, y: Tensor, x_T: Tensor) -> Tensor:
        N, S = x_T.shape[:2]
        if values["shared"]:
            return _settled(model, values, y[:, 0], x_T).unsqueeze(1).expand(-1, S, -1, -1)
        return _settled(model, values, y.flatten(0, 1), x_T.flatten(0, 1).unsqueeze(1)).unflatten(0, (N, S))

    return Conditioning("prompt_adjustment", values, settle=settle)


def _settled(model: DiffusionModel, values: Values, e: Tensor, x_T: Tensor) -> Tensor:
    """``adjust`` in batches that fit."""

    def eps_theta(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return model.eps(x_t, t, y)

    bounds = {name: values[name] for name in ("target", "learning_rate", "iterations")}
    y_empty = model.encode_prompts([""])
    together = Parts(max(1, model.parts_with_gradient.most // x_T.shape[1]))
    parts = together.of(len(e), lambda part: adjust(eps_theta, x_T[part], values["t"], e[part], y_empty, **bounds).e)
    return torch.cat(parts)


@torch.enable_grad()
def adjust(
    eps_theta: Denoiser,
    x_T: Tensor,
    t: int,
    e: Tensor,
    y_empty: Tensor,
    *,
    target: float,
    learning_rate: float,
    iterations: int,
) -> Adjusted:
    """Every prompt's e, moved until its L is √S · target at most. Prompts do not meet: each stops by itself."""
    S = x_T.shape[1]
    rows = [row.detach().clone().requires_grad_() for row in e]
    optimizer = torch.optim.AdamW(rows, lr=learning_rate, weight_decay=WEIGHT_DECAY)
    with torch.no_grad():
        x = x_T.flatten(0, 1)
        eps_u = eps_theta(x, torch.full((len(x),), t), y_empty.expand(len(x), -1, -1)).unflatten(0, (-1, S))
    trace: list[list[float]] = [[] for _ in rows]
    going = list(range(len(rows)))
    for _ in range(iterations):
        L = added(eps_theta, x_T[going], t, torch.stack([rows[n] for n in going]), eps_u[going])
        for n, size in zip(going, L.tolist(), strict=True):
            trace[n].append(size)
        gradients = torch.autograd.grad(L.sum(), [rows[n] for n in going])
        optimizer.zero_grad()
        for n, gradient in zip(going, gradients, strict=True):
            rows[n].grad = _without_first(gradient) if trace[n][-1] > target * math.sqrt(S) else None
        going = [n for n in going if rows[n].grad is not None]
        if not going:
            break
        optimizer.step()
    return Adjusted(torch.stack([row.detach() for row in rows]), trace)


def added(eps_theta: Denoiser, x_T: Tensor, t: int, e: Tensor, eps_u: Tensor) -> Tensor:
    """L of every prompt, N: the norm over all of its S pictures together."""
    N, S = x_T.shape[:2]
    eps_c = eps_theta(x_T.flatten(0, 1), torch.full((N * S,), t), e.repeat_interleave(S, dim=0))
    return (eps_c - eps_u.flatten(0, 1)).unflatten(0, (N, S)).flatten(1).norm(dim=1)


def _without_first(gradient: Tensor) -> Tensor:
    gradient = gradient.clone()
    gradient[0] = 0
    return gradient


def ordinary(setting: Setting) -> float:
    """What a neutral prompt's text adds at the first step: mean + 1 σ, the rule by which NeMo sets its bar."""
    S, seen = NEUTRAL_NOISES, list[Tensor]()
    for part in blocks(setting.neutral, S):
        y, x_T = repeated(setting.model, part, S), noises(setting, len(part), S)
        follow(setting, y, x_T, lambda delta: seen.append(norms(delta)), first=1)
    L = torch.cat(seen)
    return float(L.mean() + L.std())
