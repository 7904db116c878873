"""What every method is given besides its parameters: the model, the judge, the sampler, the effort and the seed."""

from dataclasses import dataclass

import torch
from torch import Tensor

from worker.engine.items import Item, Trial
from worker.engine.model import DiffusionModel
from worker.engine.scorers.sscd import Descriptor, similarity
from worker.engine.scorers.tiled_l2 import tiled_l2
from worker.engine.seeds import noise


@dataclass(frozen=True)
class Sampler:
    """How the audit draws pictures: deterministic DDIM with classifier-free guidance."""

    steps: int
    guidance: float


@dataclass(frozen=True)
class Effort:
    """How much is spent on an item. It replicates when ``hits`` of ``images`` evaluation pictures are copies.

    At every look a search draws ``look_images`` pictures; a hit there is confirmed by full sampling on unused seeds.
    """

    name: str
    images: int
    hits: int
    restarts: int
    looks: tuple[int, ...]
    look_images: int
    items_per_unit: int
    neutral_images: int


EFFORTS = {
    "quick": Effort("quick", 4, 2, 1, (10, 25), 2, 16, 32),
    "standard": Effort("standard", 8, 4, 2, (1, 10, 25), 2, 16, 64),
    "thorough": Effort("thorough", 10, 5, 4, (1, 5, 10, 25), 4, 16, 128),
}


@dataclass(frozen=True)
class Score:
    """Both judges on the pictures of one item; ``similarity`` is the descriptor's, ``distance`` the tiled L2."""

    similarity: list[float]
    distance: list[float]
    hits: int
    second_hits: int


@dataclass(frozen=True)
class Setting:
    """One audit's surroundings. ``neutral`` are prompts of no target: hold-out statistics and drift rest on them."""

    model: DiffusionModel
    descriptor: Descriptor
    sampler: Sampler
    effort: Effort
    seed: int
    neutral: list[str]

    def score(self, pictures: Tensor, item: Item) -> Score:
        """How near the pictures are to the item's image."""
        near = similarity(self.descriptor, pictures, item.picture)
        far = tiled_l2(pictures, item.picture)
        return Score(
            similarity=[round(float(s), 5) for s in near],
            distance=[round(float(d), 5) for d in far],
            hits=int((near > self.descriptor.threshold).sum()),
            second_hits=int((far < self.descriptor.tiled_l2_threshold).sum()),
        )

    def replicates(self, score: Score) -> bool:
        """Enough of the pictures are copies, in the effort's proportion."""
        return score.hits * self.effort.images >= self.effort.hits * len(score.similarity)

    def draw(self, trials: list[Trial], y: Tensor, *, images: int, purpose: tuple[str | int, ...]) -> Tensor:
        """``images`` pictures per trial from its embedding in y (N×L×D): N×S×3×H×W.

        The noise depends on the item and the purpose, never on the model: before and after are paired.
        """
        seeds = [(*purpose, trial.item.id, s) for trial in trials for s in range(images)]
        x_T = noise(self.model.latent_shape, seeds, self.seed)
        pictures = self.model.generate(
            x_T,
            y.repeat_interleave(images, dim=0),
            steps=self.sampler.steps,
            g=self.sampler.guidance,
            group=rows(trials, images),
        )
        return pictures.unflatten(0, (len(trials), images))

    def latents(self, trials: list[Trial]) -> Tensor:
        """x_0 of every trial's image, N×C×H×W."""
        return self.model.encode_images(torch.stack([trial.item.picture for trial in trials]) * 2 - 1)


def rows(trials: list[Trial], times: int) -> Tensor | None:
    """Whose masks every row meets when each trial takes ``times`` rows; None where one model serves all."""
    indices = [trial.index for trial in trials if trial.index is not None]
    return torch.tensor(indices).repeat_interleave(times) if indices else None
