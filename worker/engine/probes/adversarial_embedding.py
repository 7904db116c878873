"""Ask with a text embedding optimized to denoise towards the image.

Kowalczuk et al., Finding DoRI (arXiv 2507.16880). Threat model: white-box access to the text embedding.

    y_adv = argmin_y  E_{t, ε} ‖ε − ε_θ(x_t, t, y)‖²         θ and x_0 stay fixed
    50 steps of Adam, η = 0.1, 8 fresh (t, ε) a step; then ordinary sampling with y_adv as the condition
    (``sign``: y ← y − η·sign(∇) in Adam's place, without projection; Madry et al., arXiv 1706.06083, Eq. 3)

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
from worker.engine import search
from worker.engine.items import Answer, Trial
from worker.engine.search import Candidate
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting

GENERIC = ("gaussian", "other_prompt")
"""Where the restarts of a search begin by turns that would begin at a caption nobody knows."""


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
    kind = torch.optim.Adam if params.optimizer == "adam" else torch.optim.SGD
    optimizer = kind([walk.y for walk in walks], lr=params.learning_rate)
    answers: dict[int, Answer] = {}
    step = 0
    for look in [*(look for look in setting.effort.looks if look < params.steps), params.steps]:
        while step < look and (going := still_open(walks, answers)):
            descend(setting, optimizer, going, x_0, trials, params)
            step += 1
        best = choose(setting, trials, still_open(walks, answers), x_0)
        if look < params.steps and params.early_stop:
            answers |= search.looked_at(setting, trials, best, look)
    answers |= search.finals(setting, trials, [c for c in best if c.trial not in answers], params.steps)
    return [answers.get(i) for i in range(len(trials))]


def still_open(walks: list[Walk], answers: dict[int, Answer]) -> list[Walk]:
    """The searches that go on."""
    return [walk for walk in walks if walk.trial not in answers and not walk.diverged]


def begin(setting: Setting, trials: list[Trial], params: AdversarialEmbeddingParams) -> list[Walk]:
    """Every start of every trial; in place of a caption that is not known, ``GENERIC`` starts by turns."""
    walks = []
    for i, trial in enumerate(trials):
        for kind in params.starts:
            for restart in range(params.restarts or setting.effort.restarts):
                unknown = kind == "prompt" and trial.item.prompt is None
                start = GENERIC[restart % len(GENERIC)] if unknown else kind
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
    """One step of every open walk, in one batch of R·B rows, or in parts of it that fit into memory."""
    B, T = params.batch_size, len(setting.model.alpha_bar)
    t = torch.cat([torch.randint(T, (B,), generator=walk.generator) for walk in walks])
    eps = torch.cat([torch.randn((B, *x_0.shape[1:]), generator=walk.generator) for walk in walks])
    which = torch.tensor([walk.trial for walk in walks])
    now = torch.stack([walk.y.detach() for walk in walks])
    hear = setting.realized(now, [walk.generator for walk in walks], B)
    losses, gradients = search.gradients(setting, trials, which, x_0, now, t, eps, hear)
    optimizer.zero_grad()
    for walk, gradient, loss in zip(walks, gradients, losses.tolist(), strict=True):
        if math.isfinite(loss):
            walk.y.grad = gradient if params.optimizer == "adam" else gradient.sign()
            walk.loss.append(round(loss, 5))
        else:
            walk.diverged = True
    optimizer.step()
    for walk in walks:
        walk.diverged = walk.diverged or not bool(walk.y.isfinite().all())


def choose(setting: Setting, trials: list[Trial], walks: list[Walk], x_0: Tensor) -> list[Candidate]:
    """The best walk of every trial by the loss on noise that no search has seen; one without rivals needs none."""
    candidates = [Candidate(walk.trial, walk.start, walk.y.detach().clone(), loss=walk.loss) for walk in walks]
    return list(search.best_of(setting, trials, candidates, x_0).values())
