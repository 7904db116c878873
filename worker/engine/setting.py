"""What every method is given besides its parameters: the model, the judge, the sampler, the effort and the seed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from worker.engine import partial_copies
from worker.engine.conditioning import Conditioning, Hear, generate, realized, standing
from worker.engine.edits import Edit
from worker.engine.items import Item, Trial
from worker.engine.model import DiffusionModel
from worker.engine.regions import box
from worker.engine.scorers.sscd import Descriptor, similarity
from worker.engine.scorers.tiled_l2 import tiled_l2
from worker.engine.seeds import generator_for, noise


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
class Checkpoint:
    """Where a long training is kept between two steps, so that a break costs no more than the steps since.

    ``load`` gives what was last kept, None at first. ``save`` is handed the state after those steps, counted from 1, at
    which it is ``due``, and may raise to break off there. ``on_step`` is told how many steps are done, and of how many.
    ``mark`` is written into every state, so that no other training's has the same bytes.
    """

    load: Callable[[], bytes | None]
    save: Callable[[bytes], None]
    due: Callable[[int], bool]
    on_step: Callable[[int, int], None] | None = None
    mark: str = ""


@dataclass(frozen=True)
class Setting:
    """One audit's surroundings. ``neutral`` are prompts of no target: hold-out statistics and drift rest on them.

    ``conditioning`` is what a mitigation at the input puts in front of the model: whatever is drawn passes it.
    """

    model: DiffusionModel
    descriptor: Descriptor
    sampler: Sampler
    effort: Effort
    seed: int
    neutral: list[str]
    checkpoint: Checkpoint | None = None
    conditioning: Conditioning | None = None

    def evenly(self, n: int) -> list[str]:
        """n neutral prompts evenly spaced among them; all of them where there are fewer."""
        n, N = min(n, len(self.neutral)), len(self.neutral)
        return [self.neutral[i * N // n] for i in range(n)]

    def score(self, pictures: Tensor, item: Item) -> Score:
        """How near the pictures are to the item's image, to the nearest of its images, or to its region of one."""
        near, far = self._compared(pictures, item)
        threshold, tiled_l2_threshold = self.thresholds(item)
        return Score(
            similarity=[round(float(s), 5) for s in near],
            distance=[round(float(d), 5) for d in far],
            hits=int((near > threshold).sum()),
            second_hits=int((far < tiled_l2_threshold).sum()),
        )

    def thresholds(self, item: Item) -> tuple[float, float]:
        """Of the descriptor and of the second judge: those of the item's region where it has one."""
        judge = item.local or self.descriptor
        return judge.threshold, judge.tiled_l2_threshold

    def _compared(self, pictures: Tensor, item: Item) -> tuple[Tensor, Tensor]:
        """Both judges' word on every picture."""
        if item.local is not None:
            b = box(item.local.region, *item.picture.shape[-2:])
            near = partial_copies.similarity(self.descriptor, pictures, item.picture, b)
            return near, partial_copies.distance(pictures, item.picture, b)
        references = [item.picture, *item.others]
        near = torch.stack([similarity(self.descriptor, pictures, image) for image in references]).amax(dim=0)
        far = torch.stack([tiled_l2(pictures, image) for image in references]).amin(dim=0)
        return near, far

    def replicates(self, score: Score) -> bool:
        """Enough of the pictures are copies, in the effort's proportion."""
        return score.hits * self.effort.images >= self.effort.hits * len(score.similarity)

    def draw(
        self,
        trials: list[Trial],
        y: Tensor,
        *,
        images: int,
        purpose: tuple[str | int, ...],
        captions: list[str] | None = None,
    ) -> Tensor:
        """``images`` pictures per trial from its embedding in y (N×L×D): N×S×3×H×W.

        The noise depends on the item and the purpose, never on the model: before and after are paired. ``captions``
        says what y encodes where it was typed; only a conditioning listens to it.
        """
        seeds = [(*purpose, trial.item.id, s) for trial in trials for s in range(images)]
        return self.pictures(seeds, y, captions=captions, group=rows(trials, images))

    def pictures(
        self,
        seeds: list[tuple[str | int, ...]],
        y: Tensor,
        *,
        captions: list[str] | None = None,
        group: Tensor | None = None,
    ) -> Tensor:
        """N×S×3×H×W from the noises named (N·S) and y (N×L×D), through the conditioning if there is one.

        ``captions`` N: what y encodes; ``group`` N·S: whose masks every row meets.
        """
        S = len(seeds) // len(y)
        x_T, steps, g = noise(self.model.latent_shape, seeds, self.seed), self.sampler.steps, self.sampler.guidance
        if self.conditioning is None:
            drawn = self.model.generate(x_T, y.repeat_interleave(S, dim=0), steps=steps, g=g, group=group)
        else:
            own = [generator_for(self.seed, "conditioning", *seed) for seed in seeds]
            x_T = x_T.unflatten(0, (len(y), S))
            drawn = generate(self.model, self.conditioning, x_T, y, captions=captions, generators=own, steps=steps, g=g)
        return drawn.unflatten(0, (len(y), S))

    @contextmanager
    def under(self, edit: Edit | Conditioning | None) -> Iterator["Setting"]:
        """The surroundings on the mitigated model: its weights edited, or something in front of it."""
        if isinstance(edit, Conditioning):
            with standing(self.model, edit):
                yield replace(self, conditioning=edit)
        else:
            with self.model.edited(edit):
                yield self

    def realized(self, y: Tensor, generators: list[torch.Generator], S: int) -> Hear:
        """What the denoiser hears of S rows of every embedding in y (N×L×D) during one step of a search."""
        return realized(self.model, self.conditioning, y, generators, S)

    def latents(self, trials: list[Trial]) -> Tensor:
        """x_0 of every trial's image, N×C×H×W."""
        return self.model.encode_images(torch.stack([trial.item.picture for trial in trials]) * 2 - 1)


def rows(trials: list[Trial], times: int) -> Tensor | None:
    """Whose masks every row meets when each trial takes ``times`` rows; None where one model serves all."""
    indices = [trial.index for trial in trials if trial.index is not None]
    return torch.tensor(indices).repeat_interleave(times) if indices else None
