"""What searches share: candidates compete on noise kept apart, and a hit counts when unused seeds confirm it.

    rank     the loss of a candidate y for x_0:  mean over B of ‖ε − ε_θ(x_t, t, y)‖², on (t, ε) that no search has seen
             (where a region of the image is judged, over the latents it lies in: the rest of it need not come back)
    look     a few pictures; where they replicate, full sampling on unused seeds has the last word
    final    at the end of the budget, full sampling on the evaluation seeds

All of it depends on the item and what it is for, never on the batch, and is the same for targets and controls.

Shapes: N trials, R candidates, B noise pairs, x_0 N×C×H×W, y R×L×D, t R·B, ε R·B×C×H×W.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.engine.conditioning import Hear, as_it_is
from worker.engine.diffusion import denoising_loss
from worker.engine.items import Answer, Item, Trial
from worker.engine.regions import mask
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting, rows

SELECTION_PAIRS = 16


@dataclass(frozen=True)
class Candidate:
    """An embedding (L×D) that may bring a trial's image back; ``text`` where it is what a text is encoded to.

    ``loss`` is the trace of the walk it came from, which may go on after the candidate was taken.
    """

    trial: int
    start: str
    y: Tensor
    text: str | None = None
    loss: Sequence[float] = ()


def losses(
    setting: Setting, trials: list[Trial], which: Tensor, x_0: Tensor, y: Tensor, t: Tensor, eps: Tensor
) -> Tensor:
    """The denoising loss of every row, for the image and on the model of trial ``which[n]``."""
    groups = rows(trials, 1)

    def eps_theta(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return setting.model.eps(x_t, t, y, None if groups is None else groups[which])

    m = masks([trial.item for trial in trials], x_0)
    return denoising_loss(
        eps_theta, x_0[which], y, t, eps, setting.model.alpha_bar, mask=None if m is None else m[which]
    )


def masks(items: list[Item], x_0: Tensor) -> Tensor | None:
    """m of every item, N×1×H×W, ones where its whole image is judged; None where all are judged as a whole."""
    if all(item.local is None for item in items):
        return None
    H, W = x_0.shape[-2:]
    whole = torch.ones(1, H, W)
    return torch.stack(
        [
            whole
            if item.local is None
            else mask(item.local.region, (item.picture.shape[1], item.picture.shape[2]), (H, W))
            for item in items
        ]
    )


def gradients(
    setting: Setting,
    trials: list[Trial],
    which: Tensor,
    x_0: Tensor,
    y: Tensor,
    t: Tensor,
    eps: Tensor,
    hear: Hear = as_it_is,
) -> tuple[Tensor, Tensor]:
    """The mean loss of every candidate over its B pairs (R), and its gradient to y (R×L×D), in parts that fit.

    ``which`` R and y R×L×D are by candidate, t and ε by row; ``hear``: what the denoiser hears of y's rows.
    """
    B = len(t) // len(which)
    gradient = torch.zeros_like(y)

    def pass_through(part: slice) -> Tensor:
        first, last = part.start // B, (part.stop - 1) // B + 1
        leaf = y[first:last].detach().requires_grad_()
        of_rows = leaf.repeat_interleave(B, dim=0)[part.start - first * B : part.stop - first * B]
        mine = which.repeat_interleave(B)[part]
        found = losses(setting, trials, mine, x_0, hear(of_rows, part), t[part], eps[part])
        (added,) = torch.autograd.grad(found.sum() / B, [leaf])
        gradient[first:last] += added
        return found.detach()

    found = torch.cat(setting.model.parts_with_gradient.of(len(t), pass_through))
    return found.view(len(which), B).mean(dim=1), gradient


@torch.no_grad()
def ranks(setting: Setting, trials: list[Trial], candidates: list[Candidate], x_0: Tensor) -> list[float]:
    """Every candidate's loss on noise kept apart, equal for all candidates of a trial; ∞ where it is not finite."""
    if not candidates:
        return []
    draws = [generator_for(setting.seed, "select", trials[c.trial].item.id) for c in candidates]
    t = torch.cat([torch.randint(len(setting.model.alpha_bar), (SELECTION_PAIRS,), generator=g) for g in draws])
    eps = torch.cat([torch.randn((SELECTION_PAIRS, *x_0.shape[1:]), generator=g) for g in draws])
    y = torch.stack([c.y for c in candidates])
    hear = setting.realized(y, draws, SELECTION_PAIRS)
    y = hear(y.repeat_interleave(SELECTION_PAIRS, dim=0), slice(0, len(t)))
    which = torch.tensor([c.trial for c in candidates]).repeat_interleave(SELECTION_PAIRS)
    by_row = losses(setting, trials, which, x_0, y, t, eps)
    means: list[float] = by_row.view(len(candidates), SELECTION_PAIRS).mean(dim=1).tolist()
    return [loss if math.isfinite(loss) else math.inf for loss in means]


def best_of(setting: Setting, trials: list[Trial], candidates: list[Candidate], x_0: Tensor) -> dict[int, Candidate]:
    """The best candidate of every trial by its rank; where nobody has a rival nothing needs to be ranked."""
    alone = len({c.trial for c in candidates}) == len(candidates)
    losses = [0.0] * len(candidates) if alone else ranks(setting, trials, candidates, x_0)
    best: dict[int, tuple[float, Candidate]] = {}
    for candidate, loss in zip(candidates, losses, strict=True):
        if candidate.trial not in best or loss < best[candidate.trial][0]:
            best[candidate.trial] = (loss, candidate)
    return {trial: candidate for trial, (_, candidate) in best.items()}


def looked_at(setting: Setting, trials: list[Trial], best: list[Candidate], look: int) -> dict[int, Answer]:
    """Of the candidates whose look replicates, those that full sampling on unused seeds confirms, by trial."""
    seen = draw(setting, trials, best, setting.effort.look_images, ("look", look))
    hits = [c for c, pictures in zip(best, seen, strict=True) if replicates(setting, trials[c.trial], pictures)]
    return confirmed(setting, trials, hits, look)


def confirmed(setting: Setting, trials: list[Trial], hits: list[Candidate], look: int) -> dict[int, Answer]:
    """Those that full sampling on seeds no look has used finds to replicate, by trial."""
    noise = ("confirm", look)
    full = draw(setting, trials, hits, setting.effort.images, noise)
    return {
        c.trial: answer(c, pictures, look, first_step=look, noise=noise)
        for c, pictures in zip(hits, full, strict=True)
        if replicates(setting, trials[c.trial], pictures)
    }


def finals(setting: Setting, trials: list[Trial], best: list[Candidate], steps: int) -> dict[int, Answer]:
    """Full sampling at the end of the budget, on the evaluation seeds, by trial."""
    noise = ("evaluate", "search")
    drawn = draw(setting, trials, best, setting.effort.images, noise)
    hits = [replicates(setting, trials[c.trial], pictures) for c, pictures in zip(best, drawn, strict=True)]
    return {
        c.trial: answer(c, pictures, steps, first_step=steps if hit else None, noise=noise)
        for c, pictures, hit in zip(best, drawn, hits, strict=True)
    }


def draw(
    setting: Setting, trials: list[Trial], candidates: list[Candidate], images: int, purpose: tuple[str | int, ...]
) -> list[Tensor]:
    """S pictures per candidate, S×3×H×W each; the noise is the item's, whatever the candidate."""
    if not candidates:
        return []
    y, mine = torch.stack([c.y for c in candidates]), [trials[c.trial] for c in candidates]
    texts = [c.text for c in candidates if c.text is not None]
    captions = texts if len(texts) == len(candidates) else None
    return list(setting.draw(mine, y, images=images, purpose=purpose, captions=captions))


def replicates(setting: Setting, trial: Trial, pictures: Tensor) -> bool:
    """Whether enough of the pictures are copies of the trial's image."""
    return setting.replicates(setting.score(pictures, trial.item))


def answer(
    candidate: Candidate, pictures: Tensor, steps: int, *, first_step: int | None, noise: tuple[str | int, ...]
) -> Answer:
    """What the probe brings back."""
    return Answer(
        pictures=pictures,
        start=candidate.start,
        steps=steps,
        first_step=first_step,
        loss=tuple(candidate.loss),
        embedding=candidate.y.clone(),
        text=candidate.text,
        noise=noise,
    )
