"""FID proper: Inception's features by clean-fid's conventions, when its weights are supplied.

Parmar et al., On Aliased Resizing and Surprising Subtleties in GAN Evaluation, CVPR 2022 (arXiv 2104.11222); read in
GaParmar/clean-fid, commits 1d8cba5 and 01ff748.

    picture, 8 bits → each channel as floats → Pillow's bicubic to 299×299, not rounded → (x − 128)/128 → layers → 2048

The weights are the TorchScript file inception-2015-12-05.pt that NVIDIA publishes with StyleGAN2-ADA (its ``layers``
part is what clean-fid calls). They are not part of this project and are never downloaded.
"""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from worker.engine.errors import JudgeRefused, MethodFailed

SIDE = 299
DIMENSION = 2048
TOGETHER = 32


@dataclass(frozen=True)
class Inception:
    """The network and the sha256 of its file."""

    layers: torch.nn.Module
    digest: str

    @torch.no_grad()
    def describe(self, pictures: Tensor) -> Tensor:
        """Features n×2048; pictures are n×3×H×W in [0, 1], of 8 bits."""
        parts = [self.layers((resized(part) - 128) / 128).flatten(1) for part in pictures.split(TOGETHER)]
        return torch.cat(parts)


def open_inception(file: Path | None, sha256: str | None = None) -> Inception:
    """The weights in ``file``; MethodFailed without one, JudgeRefused when it is not what it should be."""
    if file is None or not file.is_file():
        raise MethodFailed(
            "FID needs Inception's weights (inception-2015-12-05.pt), and "
            + ("no file is named" if file is None else f"there is no file {file}")
            + ": the Fréchet and kernel distances in the descriptor's space need none"
        )
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256:
        raise JudgeRefused(f"Inception's weights {file.name} have sha256 {digest}, not {sha256}")
    try:
        layers = torch.jit.load(io.BytesIO(content)).eval().layers
    except (RuntimeError, AttributeError) as error:
        raise JudgeRefused(f"{file.name} is not Inception as NVIDIA publishes it: {error}") from error
    return Inception(layers, digest)


def resized(pictures: Tensor) -> Tensor:
    """n×3×299×299 between 0 and 255, a little outside where the filter overshoots, not rounded."""
    channels = (pictures * 255).round().numpy().astype(np.float32)
    sized = [[_bicubic(channel) for channel in picture] for picture in channels]
    return torch.from_numpy(np.array(sized))


def _bicubic(channel: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(channel).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
