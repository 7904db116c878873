"""Random changes of a batch of pictures, B×3×H×W in [−1, 1] with white at 1."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def place(
    pictures: Tensor, generator: torch.Generator, *, scale: tuple[float, float], shift: float, turn: float
) -> Tensor:
    """Scale, shift (share of the width), turn (radians) and mirror every picture on its own; fill with white."""
    B = len(pictures)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(B, generator=generator)

    factor, angle = uniform(*scale), uniform(-turn, turn)
    mirror = torch.where(torch.rand(B, generator=generator) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) / factor, torch.sin(angle) / factor
    dx, dy = uniform(-2 * shift, 2 * shift), uniform(-2 * shift, 2 * shift)
    theta = torch.stack([cos * mirror, -sin, dx, sin * mirror, cos, dy], dim=1).view(B, 2, 3)
    grid = F.affine_grid(theta, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures - 1, grid, align_corners=False) + 1


def crop(pictures: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """One random window of ``side`` pixels out of every picture."""
    H = pictures.shape[-1]
    tops = torch.randint(0, H - side + 1, (len(pictures), 2), generator=generator).tolist()
    return torch.stack([p[:, y : y + side, x : x + side] for p, (y, x) in zip(pictures, tops, strict=True)])


def tint(pictures: Tensor, generator: torch.Generator, *, strength: float) -> Tensor:
    """Brightness, contrast and a colour cast, each drawn per picture."""
    B = len(pictures)
    gain = 1 + strength * (2 * torch.rand(B, 3, 1, 1, generator=generator) - 1)
    bias = strength * (2 * torch.rand(B, 1, 1, 1, generator=generator) - 1)
    return (pictures * gain + bias).clamp(-1, 1)


def soften(pictures: Tensor, generator: torch.Generator, *, most: float) -> Tensor:
    """A Gaussian blur whose width (pixels) is drawn once per batch, as a codec's softness is."""
    sigma = 0.3 + most * float(torch.rand(1, generator=generator))
    radius = math.ceil(2 * sigma)
    x = torch.arange(-radius, radius + 1, dtype=pictures.dtype)
    kernel = torch.exp(-(x**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).repeat(3, 1, 1, 1)
    padded = F.pad(pictures, [radius] * 4, mode="replicate")
    across = F.conv2d(padded, kernel, groups=3)
    return F.conv2d(across, kernel.transpose(2, 3), groups=3)
