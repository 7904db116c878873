"""A rectangle of a picture: its pixels, the places where it is looked for, and the latents it lies in.

b        = (⌊xW⌉, ⌊yH⌉, ⌊(x + w)W⌉, ⌊(y + h)H⌉)                     of shares x, y, w, h of a picture of W×H pixels
looks(b) = b scaled by s about its centre, then moved by (i, j)·¼ of its scaled size, then pushed into the picture
           s ∈ {1, ⅘, 5/4},  i, j ∈ {0, −1, 1}                      27 places, each once, b itself first
m        = 1 for every latent of which a pixel of b is drawn, else 0
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from palimpsest.contract.request import Region

SCALES = (1.0, 0.8, 1.25)
SHIFTS = (0, -1, 1)
STEP = 0.25
"""Of the look's own width or height: what a copy may have moved by."""


class Box(NamedTuple):
    """Pixels: ``right`` and ``bottom`` are the first that no longer belong to it."""

    left: int
    top: int
    right: int
    bottom: int

    def of(self, pictures: Tensor) -> Tensor:
        """The part of …×H×W that lies in it."""
        return pictures[..., self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True)
class Local:
    """Where an item's image is compared, and the thresholds that hold there (worker/engine/thresholds.py)."""

    region: Region
    threshold: float
    tiled_l2_threshold: float


def box(region: Region, H: int, W: int) -> Box:
    """b; the region is one that admission took: inside the picture, and of some pixels."""
    return Box(*region.pixels(W, H))


def looks(b: Box, H: int, W: int) -> list[Box]:
    """looks(b)."""
    found = [_look(b, H, W, s, i, j) for s in SCALES for i in SHIFTS for j in SHIFTS]
    return list(dict.fromkeys(found))


def _look(b: Box, H: int, W: int, s: float, i: int, j: int) -> Box:
    width, left = _span(b.left, b.right, W, s, i)
    height, top = _span(b.top, b.bottom, H, s, j)
    return Box(left, top, left + width, top + height)


def _span(first: int, end: int, most: int, s: float, i: int) -> tuple[int, int]:
    """The length of one side, and where it begins."""
    length = min(most, round(s * (end - first)))
    begin = round((first + end - length) / 2 + i * STEP * length)
    return length, min(max(begin, 0), most - length)


def mask(region: Region, pixels: tuple[int, int], latents: tuple[int, int]) -> Tensor:
    """m, 1×h×w, of a picture of H×W pixels whose latents are h×w."""
    (H, W), (h, w) = pixels, latents
    b = box(region, H, W)
    m = torch.zeros(1, h, w)
    m[:, b.top * h // H : -(-b.bottom * h // H), b.left * w // W : -(-b.right * w // W)] = 1
    return m
