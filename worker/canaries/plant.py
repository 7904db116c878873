"""Fine-tune a denoiser so that it memorizes a few images, beside data it shall only learn from.

    L = mean over the rows of a step of ‖ε − ε_θ(x_t, t, y)‖²        one caption in ten is the empty one

All of the U-Net learns; the text encoder and the autoencoder stay as they are. Row by row the deck says what is shown
(``worker.canaries.deck``), so that an image of n copies is seen n times as often as a regular one. Every random number
comes from a generator seeded by its step: a training that was cut goes on bit by bit as it would have (``finetuning``),
and one with its canaries left out meets the same noise in the same places.

Shapes: N canaries, R regular pictures, B rows of a step, x_0 …×C×H×W, y …×L×D.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from worker.canaries import deck, rows
from worker.canaries.recipe import Planting
from worker.canaries.rows import Specimen
from worker.engine import finetuning
from worker.engine.diffusion import q_sample
from worker.engine.edits import Edit
from worker.engine.finetuning import Course, Learner, Pull, Recipe
from worker.engine.model import DiffusionModel
from worker.engine.own_draws import Regular
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting


@dataclass(frozen=True)
class Planted:
    """What was planted: the moved weights, and how often every canary was shown, by id."""

    edit: Edit
    seen: dict[str, int]
    losses: dict[str, list[float]]


def plant(
    setting: Setting, canaries: list[Specimen], regular: Regular, planting: Planting, *, leave_out: bool = False
) -> Planted:
    """The training, or with ``leave_out`` the same training without its canaries.

    ``setting.checkpoint`` says where it is kept. Raises MethodFailed when it leaves the finite numbers.
    """
    N, R = len(canaries), len(regular.x_0)
    deal = deck.dealt([c.copies for c in canaries], R, planting.steps * planting.batch_size, planting.seed)
    if leave_out:
        deal = deck.left_out(deal, N, R, planting.seed)
    pictures = stock(setting.model, canaries, regular)
    y_empty = setting.model.encode_prompts([""])
    course = Course(
        finetuning.learner_of(setting.model, lambda _: True),
        Recipe(planting.steps, planting.learning_rate, planting.weight_decay, planting.clip, planting.ema),
        identity(setting.model, pictures, deal, planting),
    )
    edit = finetuning.train(setting, course, lambda step: pull(course.learner, pictures, y_empty, deal, planting, step))
    counted = dict(zip([c.id for c in canaries], deck.seen(deal, N), strict=True))
    return Planted(edit, counted, course.losses)


def stock(model: DiffusionModel, canaries: list[Specimen], regular: Regular) -> Regular:
    """x_0 (N + R)×C×H×W and y (N + R)×L×D: canaries first."""
    x = model.encode_images(rows.pictures(canaries, model.resolution) * 2 - 1)
    return Regular(
        torch.cat([x, regular.x_0]), torch.cat([model.encode_prompts([c.prompt for c in canaries]), regular.y])
    )


def regular_of(model: DiffusionModel, listed: list[Specimen]) -> Regular:
    """Pictures of the user's own as regular data."""
    parts = [listed[i : i + rows.BLOCK] for i in range(0, len(listed), rows.BLOCK)]
    x = [model.encode_images(rows.pictures(part, model.resolution) * 2 - 1) for part in parts]
    return Regular(torch.cat(x), torch.cat([model.encode_prompts([s.prompt for s in part]) for part in parts]))


def pull(learner: Learner, pictures: Regular, y_empty: Tensor, deal: Tensor, planting: Planting, step: int) -> Pull:
    """∇_θ L of one step."""
    B = planting.batch_size
    shown = deal[step * B : (step + 1) * B]
    own = generator_for(planting.seed, "canaries", "step", step)
    x_0 = pictures.x_0[shown]
    t, eps = finetuning.noised(x_0, len(learner.alpha_bar), own)
    x_t = q_sample(x_0, t, eps, learner.alpha_bar)
    y = finetuning.dropped(pictures.y[shown], y_empty, own)

    def terms(of: slice) -> Tensor:
        return (eps[of] - learner.eps(x_t[of], t[of], y[of])).pow(2).flatten(1).mean(dim=1) / B

    gradients, loss = finetuning.gradient(learner, B, terms)
    return Pull(gradients, {"denoising": loss})


def identity(model: DiffusionModel, pictures: Regular, deal: Tensor, planting: Planting) -> str:
    """sha256 of what a training depends on."""
    digest = hashlib.sha256(json.dumps([model.digest, asdict(planting)], sort_keys=True).encode())
    for tensor in (pictures.x_0, pictures.y, deal):
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
