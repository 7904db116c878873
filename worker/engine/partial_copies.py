"""Is a part of it a copy? Both judges on the region of a reference, wherever near its place the part may have gone.

    r       = the reference in b
    S(x, r) = max over looks k of ⟨f(x|k), f(r)⟩            a copy when S > τ_R
    d(x, r) = min over looks k of tiled L2 of x|k and r     the second judge's; x|k brought to the size of r

A maximum over 27 looks exceeds a threshold more often than one look does: τ_R is fixed for the maximum
(worker/engine/thresholds.py, docs/regions.md).

Shapes: x N×3×H×W in [0, 1], r 3×h×w, K looks, f …×D of unit length.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from worker.engine.regions import Box, looks
from worker.engine.scorers.sscd import Descriptor
from worker.engine.scorers.tiled_l2 import TILES

SHARE = 4
"""A region's sides have at least the fourth part of the side that the descriptor wants: less is mere enlargement."""


def smallest(descriptor: Descriptor) -> int:
    """The fewest pixels that each side of a region must have, in a picture of the model's resolution."""
    return max(TILES, -(-descriptor.side // SHARE))


def similarity(descriptor: Descriptor, pictures: Tensor, reference: Tensor, b: Box) -> Tensor:
    """S per picture; the reference is one 3×H×W picture."""
    return nearest(described(descriptor, pictures, b), descriptor.describe(b.of(reference)[None])[0])


def described(descriptor: Descriptor, pictures: Tensor, b: Box) -> Tensor:
    """f of every look at every picture, K×N×D."""
    return torch.stack([descriptor.describe(look.of(pictures)) for look in looks(b, *pictures.shape[-2:])])


def nearest(seen: Tensor, part: Tensor) -> Tensor:
    """S per picture, of f of all looks K×N×D and f(r) D."""
    return (seen @ part).amax(dim=0)


def distance(pictures: Tensor, reference: Tensor, b: Box) -> Tensor:
    """d per picture; the reference is one 3×H×W picture."""
    r = b.of(reference)
    seen = [_resized(look.of(pictures), r.shape[-2:]) for look in looks(b, *pictures.shape[-2:])]
    return torch.stack([worst_tile(x, r) for x in seen]).amin(dim=0)


def worst_tile(x: Tensor, r: Tensor) -> Tensor:
    """Tiled L2 of N×3×h×w and 3×h×w. Where h or w is no multiple of four, tiles overlap by a pixel."""
    error = (x - r).pow(2).mean(dim=1)
    return F.adaptive_avg_pool2d(error, TILES).amax(dim=(1, 2)).sqrt()


def _resized(pictures: Tensor, size: torch.Size) -> Tensor:
    if pictures.shape[-2:] == size:
        return pictures
    return F.interpolate(pictures, tuple(size), mode="bilinear", antialias=True)
