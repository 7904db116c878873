"""What counts as a copy in a region: thresholds fixed for the maximum over its looks, before any target is scored.

Negatives x_1 … x_n are what the unmitigated model draws of n neutral prompts, one picture each, at the audit's sampler.

    τ_R = max(τ, max_i S(x_i, r))        so that S(x_i, r) > τ_R for none of them; likewise from below for d
    P(S(x, r) > τ_R) ≤ 1/(n + 1)         for one more picture x that is exchangeable with the n

τ is the descriptor's own threshold, which was fixed for one look at a whole picture: more looks need at least that. The
judge *has power* when the autoencoder's reconstruction of the reference is a copy by it. Where it is not, as in a
region without anything of its own, silence says nothing, and the verdict is inconclusive.
"""

import math

import torch
from torch import Tensor

from palimpsest.contract.report import LocalJudge, Rectangle
from palimpsest.contract.request import Region
from worker.engine.items import Item
from worker.engine.partial_copies import described, distance, nearest
from worker.engine.regions import box, looks
from worker.engine.setting import Setting

NEGATIVES = 99
"""At most so many: one picture in a hundred is called a copy by mistake."""


def negatives(setting: Setting) -> Tensor:
    """x_1 … x_n, n×3×H×W; fewer than ``NEGATIVES`` where there are fewer neutral prompts."""
    prompts = setting.evenly(NEGATIVES)
    seeds: list[tuple[str | int, ...]] = [("region", p) for p in range(len(prompts))]
    return setting.pictures(seeds, setting.model.encode_prompts(prompts), captions=prompts).flatten(0, 1)


@torch.no_grad()
def fixed(setting: Setting, items: list[Item], region: Region) -> list[LocalJudge]:
    """The judge of every item in this region, on the unmitigated model."""
    drawn = negatives(setting)
    b = box(region, *drawn.shape[-2:])
    references = torch.stack([item.picture for item in items])
    back = setting.model.decode(setting.model.encode_images(references * 2 - 1))
    seen, again = (described(setting.descriptor, pictures, b) for pictures in (drawn, back))
    parts = setting.descriptor.describe(b.of(references))
    n, judges = len(drawn), []
    for i, item in enumerate(items):
        alike, apart = float(nearest(seen, parts[i]).max()), float(distance(drawn, item.picture, b).min())
        threshold = above(max(setting.descriptor.threshold, alike))
        itself = float(nearest(again[:, i : i + 1], parts[i]))
        judges.append(
            LocalJudge(
                item_id=item.id,
                role=item.role,
                region=Rectangle(**region.model_dump()),
                pixels=list(b),
                looks=len(looks(b, *drawn.shape[-2:])),
                threshold=threshold,
                tiled_l2_threshold=-above(-min(setting.descriptor.tiled_l2_threshold, apart)),
                negatives=n,
                nearest_negative=round(alike, 5),
                false_positive_bound=round(1 / (n + 1), 6),
                reconstruction=round(itself, 5),
                has_power=itself > threshold,
            )
        )
    return judges


def above(value: float) -> float:
    """Rounded up to five places."""
    return math.ceil(value * 1e5) / 1e5
