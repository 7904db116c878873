"""What fine-tuning trains on where nobody's data are at hand: the model's own pictures (docs/decisions/0007).

*Regular* pictures are unguided draws for neutral prompts: the denoising loss on them asks for no more than what the
model draws already, and so keeps it. *Stand-ins* are guided draws for the neutral captions nearest to a target's own,
those least similar to the target's image: what a trigger of the target shall lead to instead. Both come from the
unmitigated model, as latents, and cost what drawing costs.

Shapes: N targets, K stand-ins of each, x_0 …×C×H×W, y …×L×D.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from worker.engine.diffusion import sample
from worker.engine.edits import JOINT
from worker.engine.items import Item, Trial
from worker.engine.seeds import generator_for, noise
from worker.engine.setting import Setting

UNGUIDED = 1.0
CANDIDATES = 2
"""So many pictures are drawn for every stand-in that is kept."""
CAPTIONS = 256
"""Encoded at once."""


@dataclass(frozen=True)
class Regular:
    """x_0 n×C×H×W and the embeddings y n×L×D they were drawn for."""

    x_0: Tensor
    y: Tensor


@dataclass(frozen=True)
class StandIns:
    """x_0 N×K×C×H×W, the embeddings y N×K×L×D of their captions, and ``similarity`` N×K to the target's image."""

    x_0: Tensor
    y: Tensor
    similarity: Tensor

    def told(self) -> str:
        """For the report."""
        s = self.similarity
        return (
            f"{s.shape[1]} stand-ins a target, the model's own pictures for the nearest neutral captions, "
            f"of similarity {s.mean():.2f} to its image (at most {s.max():.2f})"
        )


def regular(setting: Setting, n: int) -> Regular:
    """n draws, one for each of n neutral prompts evenly spaced among them."""
    y = setting.model.encode_prompts([setting.neutral[i * len(setting.neutral) // n] for i in range(n)])
    return Regular(draw(setting, [("regular", i) for i in range(n)], y, UNGUIDED), y)


def stand_ins(setting: Setting, targets: list[Item], K: int) -> StandIns:
    """K pictures per target: the least similar of 2·K guided draws."""
    means = mean_embeddings(setting, setting.neutral)
    found = []
    for target in targets:
        captions = nearest(setting, target, means, CANDIDATES * K)
        y = setting.model.encode_prompts(captions)
        seeds: list[tuple[str | int, ...]] = [("stand-in", target.id, k) for k in range(len(captions))]
        x_0 = draw(setting, seeds, y, setting.sampler.guidance)
        similarity = torch.tensor(setting.score(setting.model.decode(x_0), target).similarity)
        kept = similarity.argsort(stable=True)[:K]
        found.append((x_0[kept], y[kept], similarity[kept]))
    return StandIns(*(torch.stack(parts) for parts in zip(*found, strict=True)))


def nearest(setting: Setting, target: Item, means: Tensor, n: int) -> list[str]:
    """n neutral captions by the cosine of mean token embeddings; n at random for a target without a caption.

    Where there are fewer than n, they are gone through again.
    """
    if target.prompt is None:
        order = torch.randperm(len(means), generator=generator_for(setting.seed, "stand-in", target.id))
    else:
        mine = mean_embeddings(setting, [target.prompt])
        order = cosine_similarity(means, mine).argsort(descending=True, stable=True)
    return [setting.neutral[int(order[k % len(order)])] for k in range(n)]


def mean_embeddings(setting: Setting, prompts: list[str]) -> Tensor:
    """The mean of every prompt's L token embeddings, N×D."""
    parts = [prompts[i : i + CAPTIONS] for i in range(0, len(prompts), CAPTIONS)]
    return torch.cat([setting.model.encode_prompts(part).mean(dim=1) for part in parts])


def draw(setting: Setting, seeds: list[tuple[str | int, ...]], y: Tensor, g: float) -> Tensor:
    """Latents x_0 by the audit's sampler at guidance g, one for every seed and row of y."""
    model = setting.model
    x_T = noise(model.latent_shape, seeds, setting.seed)
    y_empty = model.encode_prompts([""])
    return sample(model.eps, x_T, y, y_empty, steps=setting.sampler.steps, g=g, alpha_bar=model.alpha_bar)


def images_of(setting: Setting, targets: list[Item]) -> Tensor:
    """x_0 of the targets' own images, N×C×H×W."""
    return setting.latents([Trial(target, JOINT, None) for target in targets])
