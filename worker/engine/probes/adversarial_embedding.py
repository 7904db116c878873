"""Ask with a text embedding optimized to denoise towards the image.

Kowalczuk et al., Finding DoRI (arXiv 2507.16880). Threat model: white-box access to the text embedding.

    y_adv = argmin_y  E_{t, ε} ‖ε − ε_θ(x_t, t, y)‖²         θ and x_0 stay fixed
    50 steps of Adam, η = 0.1, 8 fresh (t, ε) a step; then ordinary sampling with y_adv as the condition

Many images and starts are searched in one batch: the loss is a sum over rows, so that no row's gradient meets
another's, and every row draws from a generator of its own. Restarts compete on noise kept apart. At fixed looks a
row is sampled; a hit that full sampling on unused seeds confirms ends that row's search, for controls as for targets.
A search that leaves the finite numbers ends and its rivals go on; a trial without any other search has no answer.

Shapes: R searches (trial × start × restart), B noise pairs, x_0 R×C×H×W, y R×L×D.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from palimpsest.contract.methods import AdversarialEmbeddingParams
from worker.engine.diffusion import denoising_loss
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
    diverged: bool = False


def run(setting: Setting, trials: list[Trial], params: AdversarialEmbeddingParams) -> list[Answer | None]:
    """Search for every trial, stop those that are confirmed, sample the rest; None where every search diverged."""
    x_0 = setting.latents(trials)
    walks = begin(setting, trials, params)
    optimizer = torch.optim.Adam([walk.y for walk in walks], lr=params.learning_rate)
    answers: dict[int, Answer] = {}
    step = 0
    for look in [*(look for look in setting.effort.looks if look < params.steps), params.steps]:
        while step < look and (going := still_open(walks, answers)):
            descend(setting, optimizer, going, x_0, trials, params)
            step += 1
        best = choose(setting, still_open(walks, answers), x_0, trials)
        if look < params.steps and params.early_stop:
            answers |= confirm(setting, best, trials, look)
    answers |= finals(setting, [walk for walk in best if walk.trial not in answers], trials, params.steps)
    return [answers.get(i) for i in range(len(trials))]


def still_open(walks: list[Walk], answers: dict[int, Answer]) -> list[Walk]:
    """The searches that go on."""
    return [walk for walk in walks if walk.trial not in answers and not walk.diverged]


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
    """One Adam step of every open walk, in one batch of R·B rows, or in parts of it that fit into memory."""
    B, T = params.batch_size, len(setting.model.alpha_bar)
    t = torch.cat([torch.randint(T, (B,), generator=walk.generator) for walk in walks])
    eps = torch.cat([torch.randn((B, *x_0.shape[1:]), generator=walk.generator) for walk in walks])
    which = torch.tensor([walk.trial for walk in walks]).repeat_interleave(B)
    now = torch.stack([walk.y.detach() for walk in walks])
    hear = setting.realized(now, [walk.generator for walk in walks], B)
    gradients = torch.zeros(len(walks), *walks[0].y.shape)

    def pass_through(part: slice) -> Tensor:
        """The losses of these rows; what they add to ∇_y Σ loss / B is added to the gradients of their walks."""
        first, last = part.start // B, (part.stop - 1) // B + 1
        y = now[first:last].clone().requires_grad_()
        of_rows = y.repeat_interleave(B, dim=0)[part.start - first * B : part.stop - first * B]
        losses = _losses(setting, trials, which[part], x_0, hear(of_rows, part), t[part], eps[part])
        (gradient,) = torch.autograd.grad(losses.sum() / B, [y])
        gradients[first:last] += gradient
        return losses.detach()

    losses = torch.cat(setting.model.parts_with_gradient.of(len(t), pass_through)).view(len(walks), B).mean(dim=1)
    optimizer.zero_grad()
    for walk, gradient, loss in zip(walks, gradients, losses.tolist(), strict=True):
        if math.isfinite(loss):
            walk.y.grad = gradient
            walk.loss.append(round(loss, 5))
        else:
            walk.diverged = True
    optimizer.step()
    for walk in walks:
        walk.diverged = walk.diverged or not bool(walk.y.isfinite().all())


def _losses(
    setting: Setting, trials: list[Trial], which: Tensor, x_0: Tensor, y: Tensor, t: Tensor, eps: Tensor
) -> Tensor:
    """The denoising loss of every row, N, for the image and on the model of trial ``which[n]``."""
    groups = rows(trials, 1)

    def eps_theta(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return setting.model.eps(x_t, t, y, None if groups is None else groups[which])

    return denoising_loss(eps_theta, x_0[which], y, t, eps, setting.model.alpha_bar)


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
    hear = setting.realized(y, draws, SELECTION_PAIRS)
    y = hear(y.repeat_interleave(SELECTION_PAIRS, dim=0), slice(0, len(t)))
    which = torch.tensor([walk.trial for walk in walks]).repeat_interleave(SELECTION_PAIRS)
    losses = _losses(setting, trials, which, x_0, y, t, eps).view(len(walks), SELECTION_PAIRS).mean(dim=1)
    ranked = dict(zip(map(id, walks), losses.tolist(), strict=True))
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


def finals(setting: Setting, walks: list[Walk], trials: list[Trial], steps: int) -> dict[int, Answer]:
    """Full sampling at the end of the budget, on the evaluation seeds, by trial."""
    drawn = _draw(setting, walks, trials, setting.effort.images, ("evaluate", "search"))
    answers = {}
    for walk, pictures in zip(walks, drawn, strict=True):
        hit = _replicates(setting, trials[walk.trial], pictures)
        answers[walk.trial] = _answer(walk, pictures, steps, first_step=steps if hit else None)
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
