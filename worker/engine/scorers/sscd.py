"""Is it a copy? Cosine similarity of copy-detection descriptors.

Pizzi et al., A Self-Supervised Descriptor for Image Copy Detection, CVPR 2022 (arXiv 2202.10261).

    s(a, b) = ⟨f(a), f(b)⟩,  ‖f‖ = 1        a copy when s exceeds a threshold fixed beforehand

Any TorchScript file with SSCD's interface serves; its digest, its preprocessing and its threshold belong together.
"""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from worker.engine.errors import JudgeRefused

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Descriptor:
    """f with its identity. ``side`` is the square every picture is squeezed to before ImageNet normalization."""

    f: torch.jit.ScriptModule
    digest: str
    side: int
    threshold: float
    false_positive_bound: float
    tiled_l2_threshold: float

    @property
    def preprocessing(self) -> str:
        """What happens to a picture before f sees it."""
        return f"resize to {self.side}×{self.side} (antialiased bilinear), ImageNet mean and deviation"

    @torch.no_grad()
    def describe(self, pictures: Tensor) -> Tensor:
        """N×D of unit length; pictures are N×3×H×W in [0, 1]."""
        if pictures.shape[-2:] != (self.side, self.side):
            pictures = F.interpolate(pictures, (self.side, self.side), mode="bilinear", antialias=True)
        mean, deviation = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(DEVIATION).view(1, 3, 1, 1)
        described: Tensor = self.f((pictures - mean) / deviation)
        return described


def open_descriptor(card: Path) -> Descriptor:
    """The descriptor a card names; raises JudgeRefused when the file's sha256 is another."""
    stated = json.loads(card.read_text())
    content = (card.parent / stated["file"]).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != stated["sha256"]:
        raise JudgeRefused(f"the descriptor {stated['file']} has sha256 {digest}, its card says {stated['sha256']}")
    return Descriptor(
        f=torch.jit.load(io.BytesIO(content)).eval(),
        digest=digest,
        side=stated["side"],
        threshold=stated["threshold"],
        false_positive_bound=stated["false_positive_bound"],
        tiled_l2_threshold=stated["tiled_l2_threshold"],
    )


def similarity(descriptor: Descriptor, pictures: Tensor, reference: Tensor) -> Tensor:
    """s(picture, reference) per picture; the reference is one 3×H×W picture."""
    return descriptor.describe(pictures) @ descriptor.describe(reference[None])[0]
