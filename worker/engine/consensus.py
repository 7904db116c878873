"""Without an image: the picture that the unmitigated model's own drawings of a prompt agree on stands in for it.

    S drawings from S noises; of the drawings the medoid is the one most similar to all others
    support   = how many of the other S − 1 are copies of the medoid
    consensus = support/(S − 1) ≥ k/S, the share by which an image replicates; the medoid does not speak for itself

A model that draws one picture from every noise has memorized something, but nobody has seen the training image:
verdicts that rest on a consensus say ``reference: consensus`` and never claim one. Where the drawings do not agree
there is nothing a search could aim at.

Shapes: N prompts, S drawings.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from worker.engine.items import Item
from worker.engine.seeds import noise
from worker.engine.setting import Setting


@dataclass(frozen=True)
class Consensus:
    """``picture`` 3×H×W is the medoid, ``support`` of the ``of`` other drawings are its copies.

    ``agreement`` is its mean similarity to them all.
    """

    picture: Tensor
    support: int
    of: int
    agreement: float
    found: bool


@torch.no_grad()
def consensus(setting: Setting, named: dict[str, str], images: int | None = None) -> dict[str, Consensus]:
    """By id, for every id and prompt. ``images``: drawings of each, the effort's evaluation images by default.

    The noise belongs to the id and to this purpose: nothing that is judged later is drawn from it.
    """
    S = images or setting.effort.images
    if S < 2:
        raise ValueError("one drawing agrees with nobody")
    seeds: list[tuple[str | int, ...]] = [("consensus", name, s) for name in named for s in range(S)]
    x_T = noise(setting.model.latent_shape, seeds, setting.seed)
    y = setting.model.encode_prompts(list(named.values())).repeat_interleave(S, dim=0)
    drawn = setting.model.generate(x_T, y, steps=setting.sampler.steps, g=setting.sampler.guidance)
    by_name = zip(named, drawn.unflatten(0, (len(named), S)), strict=True)
    return {name: agreed(setting, pictures) for name, pictures in by_name}


def agreed(setting: Setting, pictures: Tensor) -> Consensus:
    """Of S×3×H×W drawings; of equals the first is the medoid."""
    S = len(pictures)
    described = setting.descriptor.describe(pictures)
    similar = described @ described.T
    similar.fill_diagonal_(0)
    medoid = int(similar.sum(dim=1).argmax())
    others = torch.cat([similar[medoid, :medoid], similar[medoid, medoid + 1 :]])
    support = int((others > setting.descriptor.threshold).sum())
    return Consensus(
        picture=pictures[medoid],
        support=support,
        of=S - 1,
        agreement=round(float(others.mean()), 5),
        found=support * setting.effort.images >= setting.effort.hits * (S - 1),
    )


def stand_in(id: str, role: Literal["target", "control"], prompt: str, agreed: Consensus) -> Item:
    """The item that is audited in place of one without an image. Raises ValueError where nothing was agreed on."""
    if not agreed.found:
        raise ValueError(f"{id}: {agreed.support} of {agreed.of} other drawings agree, there is no consensus")
    return Item(id, role, prompt, agreed.picture)
