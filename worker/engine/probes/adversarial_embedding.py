"""Ask with a text embedding optimized to denoise towards the image.

Kowalczuk et al., Finding DoRI (arXiv 2507.16880). Threat model: white-box access to the text embedding.

    y_adv = argmin_y  E_{t, ε} ‖ε − ε_θ(x_t, t, y)‖²         θ and x_0 stay fixed
    50 steps of Adam, η = 0.1, 8 fresh (t, ε) a step; then ordinary sampling with y_adv as the condition

Many images and starts are searched in one batch: the loss is a sum over rows, so that no row's gradient meets
another's, and every row draws from a generator of its own. Restarts compete on noise kept apart. At fixed looks a
row is sampled; a hit that full sampling on unused seeds confirms ends that row's search, for controls as for targets.

Shapes: R searches (trial × start × restart), B noise pairs, x_0 R×C×H×W, y R×L×D.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from palimpsest.contract.methods import AdversarialEmbeddingParams
from worker.engine.diffusion import denoising_loss
from worker.engine.errors import SearchDiverged
from worker.engine.items import Answer, Trial
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting, rows

SELECTION_PAIRS = 16


@dataclass
class Walk:
    """One search: an embedding on its way downhill."""

    trial: int
    start: str
    y: Tensor
    generator: torch.Generator
    loss: list[float] = field(default_factory=list)


def run(setting: Setting, trials: list[Trial], params: AdversarialEmbeddingParams) -> list[Answer]:
    """Search for every trial, stop those that are confirmed, sample the rest."""
    x_0 = setting.latents(trials)
    walks = begin(setting, trials, params)
    optimizer = torch.optim.Adam([walk.y for walk in walks], lr=params.learning_rate)
    answers: dict[int, Answer] = {}
    step = 0
    for look in [*(look for look in setting.effort.looks if look < params.steps), params.steps]:
        while step < look:
            open_walks = [walk for walk in walks if walk.trial not in answers]
            descend(setting, optimizer, open_walks, x_0, trials, params)
            step += 1
        best = choose(setting, [w for w in walks if w.trial not in answers], x_0, trials)
        if look < params.steps and params.early_stop:
            answers |= confirm(setting, best, trials, look)
        if len(answers) == len(trials):
            break
    rest = [walk for walk in best if walk.trial not in answers]
    answers |= {
        walk.trial: answer for walk, answer in zip(rest, finals(setting, rest, trials, params.steps), strict=True)
    }
    return [answers[i] for i in range(len(trials))]


def begin(setting: Setting, trials: list[Trial], params: AdversarialEmbeddingParams) -> list[Walk]:
    """Every start of every trial; a caption that is not known is replaced by a Gaussian start."""
    walks = []
    for i, trial in enumerate(trials):
        for kind in params.starts:
            for restart in range(params.restarts or setting.effort.restarts):
                start = "gaussian" if kind == "prompt" and trial.item.prompt is None else kind
                purpose = (params.kind, params.name, trial.item.id, kind, restart)
                generator = generator_for(setting.seed, *purpose)
                walks.append(Walk(i, start, _start(setting, trial, start, generator).requires_grad_(), generator))
    return walks


def _start(setting: Setting, trial: Trial, start: str, generator: torch.Generator) -> Tensor:
    """y⁽⁰⁾: the caption's embedding, N(0, I), or another prompt's embedding."""
    model = setting.model
    if start == "gaussian":
        shape = model.encode_prompts([""]).shape[1:]
        return torch.randn(shape, generator=generator)
    if start == "prompt":
        return model.encode_prompts([trial.item.prompt or ""])[0].clone()
    other = int(torch.randint(len(setting.neutral), (1,), generator=generator))
    return model.encode_prompts([setting.neutral[other]])[0].clone()


def descend(
    setting: Setting,
    optimizer: torch.optim.Optimizer,
    walks: list[Walk],
    x_0: Tensor,
    trials: list[Trial],
    params: AdversarialEmbeddingParams,
) -> None:
    """One Adam step of every open walk, in one batch of R·B rows."""
    B, T = params.batch_size, len(setting.model.alpha_bar)
    t = torch.cat([torch.randint(T, (B,), generator=walk.generator) for walk in walks])
    eps = torch.cat([torch.randn((B, *x_0.shape[1:]), generator=walk.generator) for walk in walks])
    y = torch.stack([walk.y for walk in walks])
    losses = _losses(setting, walks, x_0, y, t, eps, trials, B)
    gradients = torch.autograd.grad(losses.sum(), [walk.y for walk in walks])
    optimizer.zero_grad()
    for walk, gradient, loss in zip(walks, gradients, losses.tolist(), strict=True):
        walk.y.grad = gradient
        walk.loss.append(round(loss, 5))
        if not math.isfinite(loss):
            raise SearchDiverged(f"the search for {trials[walk.trial].item.id} left the finite numbers")
    optimizer.step()


def _losses(
    setting: Setting,
    walks: list[Walk],
    x_0: Tensor,
    y: Tensor,
    t: Tensor,
    eps: Tensor,
    trials: list[Trial],
    pairs: int,
) -> Tensor:
    """The mean denoising loss of every walk over its own ``pairs`` rows."""
    which = torch.tensor([walk.trial for walk in walks])
    group = rows([trials[walk.trial] for walk in walks], pairs)

    def eps_theta(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return setting.model.eps(x_t, t, y, group)

    losses = denoising_loss(
        eps_theta,
        x_0[which].repeat_interleave(pairs, dim=0),
        y.repeat_interleave(pairs, dim=0),
        t,
        eps,
        setting.model.alpha_bar,
    )
    return losses.view(len(walks), pairs).mean(dim=1)


@torch.no_grad()
def choose(setting: Setting, walks: list[Walk], x_0: Tensor, trials: list[Trial]) -> list[Walk]:
    """The best walk of every trial by the loss on noise that no search has seen, equal for all its restarts."""
    by_trial: dict[int, list[Walk]] = {}
    for walk in walks:
        by_trial.setdefault(walk.trial, []).append(walk)
    if all(len(rivals) == 1 for rivals in by_trial.values()):
        return [rivals[0] for rivals in by_trial.values()]
    draws = [generator_for(setting.seed, "select", trials[walk.trial].item.id) for walk in walks]
    t = torch.cat([torch.randint(len(setting.model.alpha_bar), (SELECTION_PAIRS,), generator=g) for g in draws])
    eps = torch.cat([torch.randn((SELECTION_PAIRS, *x_0.shape[1:]), generator=g) for g in draws])
    y = torch.stack([walk.y for walk in walks])
    losses = _losses(setting, walks, x_0, y, t, eps, trials, SELECTION_PAIRS).tolist()
    ranked = dict(zip(map(id, walks), losses, strict=True))
    return [min(rivals, key=lambda walk: ranked[id(walk)]) for rivals in by_trial.values()]


def confirm(setting: Setting, best: list[Walk], trials: list[Trial], look: int) -> dict[int, Answer]:
    """Of the walks whose look replicates, those that full sampling on unused seeds confirms."""
    seen = _draw(setting, best, trials, setting.effort.look_images, ("look", look))
    hits = [w for w, pictures in zip(best, seen, strict=True) if _replicates(setting, trials[w.trial], pictures)]
    full = _draw(setting, hits, trials, setting.effort.images, ("confirm", look))
    return {
        walk.trial: _answer(walk, pictures, look, first_step=look)
        for walk, pictures in zip(hits, full, strict=True)
        if _replicates(setting, trials[walk.trial], pictures)
    }


def finals(setting: Setting, walks: list[Walk], trials: list[Trial], steps: int) -> list[Answer]:
    """Full sampling at the end of the budget, on the evaluation seeds."""
    drawn = _draw(setting, walks, trials, setting.effort.images, ("evaluate", "search"))
    answers = []
    for walk, pictures in zip(walks, drawn, strict=True):
        hit = _replicates(setting, trials[walk.trial], pictures)
        answers.append(_answer(walk, pictures, steps, first_step=steps if hit else None))
    return answers


def _draw(
    setting: Setting,
    walks: list[Walk],
    trials: list[Trial],
    images: int,
    purpose: tuple[str | int, ...],
) -> list[Tensor]:
    if not walks:
        return []
    y = torch.stack([walk.y.detach() for walk in walks])
    return list(setting.draw([trials[walk.trial] for walk in walks], y, images=images, purpose=purpose))


def _replicates(setting: Setting, trial: Trial, pictures: Tensor) -> bool:
    return setting.replicates(setting.score(pictures, trial.item))


def _answer(walk: Walk, pictures: Tensor, steps: int, first_step: int | None) -> Answer:
    return Answer(
        pictures=pictures,
        start=walk.start,
        steps=steps,
        first_step=first_step,
        loss=tuple(walk.loss),
        embedding=walk.y.detach().clone(),
    )
