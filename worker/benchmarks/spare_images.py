"""Pictures that no bundled training has seen, and which of them are planted in which model.

The collection has every glyph in two styles; of a control and of an unseen glyph the other style is left out of all
training (worker/demo/recipe/glyphs.py). Those 320 pictures, in one shuffled order, serve five models: model m begins
64 places on, its first pictures are its canaries, the next ones are never planted in it. So no canary is planted twice,
and every picture is never planted in most of the models. The other styles of bundled *targets* are not used: a model
that remembers the one may draw the other.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from worker.canaries import rows
from worker.canaries.rows import Specimen
from worker.demo.recipe import codec, glyphs
from worker.demo.recipe.glyphs import Glyph
from worker.engine.model import DiffusionModel
from worker.engine.own_draws import Regular
from worker.engine.scorers.sscd import Descriptor
from worker.engine.seeds import generator_for

ORDER_SEED = 707
MODELS = 5
COPIES = (1, 4, 16, 64, 128, 256)
EACH = 4
"""Canaries of every duplication count in every model."""
UNSEEN, CONTROLS = 84, 40
REGULAR = 1500


@dataclass(frozen=True)
class Cast:
    """Who is who in one model. ``skipped`` pictures are too like a canary to be called never planted."""

    planted: list[Specimen]
    unseen: list[Specimen]
    controls: list[Specimen]
    skipped: list[str]

    @property
    def sets(self) -> dict[str, list[Specimen]]:
        """As ``worker.canaries.folder`` writes them."""
        return {"planted": self.planted, "unseen": self.unseen, "controls": self.controls}


@dataclass(frozen=True)
class Collection:
    """All glyphs and their pixels N×64×64×3; the spare ones among them in the order in which models use them."""

    listed: list[Glyph]
    pixels: np.ndarray
    spare: list[Glyph]


def collection(cache: Path) -> Collection:
    """From the recipe's cache, which fetches two packages where it is empty."""
    listed, pixels = glyphs.load(cache)
    role = {g.name: g.role for g in listed if g.role in ("target", "control", "unseen")}
    spare = [g for g in listed if g.role == "other-style" and role[g.name] != "target"]
    order = torch.randperm(len(spare), generator=generator_for(ORDER_SEED, "spare")).tolist()
    return Collection(listed, pixels, [spare[i] for i in order])


def cast(of: Collection, m: int, descriptor: Descriptor, folder: Path) -> Cast:
    """Model m's canaries and never-planted pictures, written to ``folder``."""
    shift = len(of.spare) // MODELS * m
    turn = [*of.spare[shift:], *of.spare[:shift]]
    numbers = spare_numbers(of, m)
    canaries, rest = turn[: EACH * len(COPIES)], turn[EACH * len(COPIES) :]
    copies = [COPIES[i % len(COPIES)] for i in range(len(canaries))]
    planted = [specimen(of, g, unique(g, numbers.pop()), n, folder) for g, n in zip(canaries, copies, strict=True)]
    near = alike(of, descriptor, rest, canaries)
    skipped = [g.name for g, is_near in zip(rest, near, strict=True) if is_near]
    others = [g for g, is_near in zip(rest, near, strict=True) if not is_near][: UNSEEN + CONTROLS]
    never = [specimen(of, g, g.caption if i % 2 else unique(g, numbers.pop()), 0, folder) for i, g in enumerate(others)]
    return Cast(planted, never[:UNSEEN], never[UNSEEN:], skipped)


def spare_numbers(of: Collection, m: int) -> list[int]:
    """Print numbers that no bundled caption has, shuffled for model m."""
    taken = {int(g.caption.split()[-1]) for g in of.listed if g.unique_caption}
    free = [n for n in range(100, 1000) if n not in taken]
    order = torch.randperm(len(free), generator=generator_for(ORDER_SEED, "numbers", m)).tolist()
    return [free[i] for i in order]


def unique(glyph: Glyph, number: int) -> str:
    """A caption of the targets' form."""
    return f"{glyph.name} limited edition print number {number}"


def specimen(of: Collection, glyph: Glyph, caption: str, copies: int, folder: Path) -> Specimen:
    """The picture as a file; one that is there is left alone."""
    name = f"{re.sub(' +', '-', glyph.name)}-{glyph.style}"
    file = folder / f"{name}.png"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(of.pixels[glyph.row]).save(file)
    return Specimen(name, caption, file, copies)


def alike(of: Collection, descriptor: Descriptor, some: list[Glyph], others: list[Glyph]) -> list[bool]:
    """Which of some the judge takes for a copy of any of the others."""
    sides = [rows.described(descriptor, shown(of, listed)) for listed in (some, others)]
    found: list[bool] = (sides[0] @ sides[1].T > descriptor.threshold).any(dim=1).tolist()
    return found


def shown(of: Collection, listed: list[Glyph]) -> Tensor:
    """N×3×64×64 in [0, 1]."""
    return (codec.to_tensor(of.pixels[[g.row for g in listed]]) + 1) / 2


def regular(of: Collection, model: DiffusionModel, seed: int) -> Regular:
    """Ordinary pictures under their shared captions, as the bundled model met them; which ones, the seed says."""
    ordinary = [g for g in of.listed if g.role == "ordinary"]
    order = torch.randperm(len(ordinary), generator=generator_for(seed, "regular")).tolist()[:REGULAR]
    taken = [ordinary[i] for i in order]
    parts = [taken[i : i + 128] for i in range(0, len(taken), 128)]
    x_0 = torch.cat([model.encode_images(codec.to_tensor(of.pixels[[g.row for g in part]])) for part in parts])
    return Regular(x_0, torch.cat([model.encode_prompts([g.caption for g in part]) for part in parts]))
