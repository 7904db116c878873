"""Pictures in and out: bytes ↔ N×3×H×W tensors."""

import io
import struct

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from worker.engine.errors import ImageUnreadable


def read(content: bytes, side: int) -> Tensor:
    """3×side×side in [0, 1]; transparent pixels become white, other shapes are squeezed to a square."""
    flat = _opened(content)
    if flat.size != (side, side):
        flat = flat.resize((side, side), Image.Resampling.LANCZOS)
    return _tensor(flat)


def decode(content: bytes) -> Tensor:
    """3×H×W in [0, 1], as large as the file has it."""
    return _tensor(_opened(content))


def _opened(content: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP")) as opened:
            rgba = _upright(_eight_bits(opened)).convert("RGBA")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageUnreadable("a reference image cannot be decoded") from error
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def _eight_bits(opened: Image.Image) -> Image.Image:
    """Of a grey value of 16 bits, 257 steps are one; Pillow would take every value above 255 for white."""
    if not opened.mode.startswith("I"):
        return opened
    return opened.convert("I").point(lambda value: value * (1 / 257)).convert("L")


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF says and every viewer shows it; EXIF that cannot be read says nothing."""
    try:
        return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return image


def _tensor(flat: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(flat).copy()).permute(2, 0, 1).float() / 255


def png(picture: Tensor) -> bytes:
    """3×H×W in [0, 1] as a PNG file."""
    pixels = (picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def strip(pictures: Tensor) -> Tensor:
    """N pictures side by side, 3×H×(N·W)."""
    return torch.cat(list(pictures), dim=2)
