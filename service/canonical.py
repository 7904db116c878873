"""One form for every picture that is sent ahead: red, green and blue of 8 bits in a PNG that holds nothing else.

    any of the three formats → decoded → upright → 8 bits → over white → RGB → PNG

Upright as its EXIF says, for so every viewer shows it; what is transparent becomes white, as for the worker
(``worker/engine/images.py``). Whatever else the file was, a text, a script, an archive behind the picture, is left out.
"""

from io import BytesIO

from PIL import Image
from PIL.Image import Transpose

from service.images import DAMAGE

ORIENTATION = 0x0112
"""The tag of EXIF that says how a camera was held."""

TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def png(flat: Image.Image) -> bytes:
    """The PNG of a picture that is ``flat``."""
    file = BytesIO()
    flat.save(file, "PNG")
    return file.getvalue()


def flat(image: Image.Image) -> Image.Image:
    """The picture in RGB, and in nothing but its pixels: not its EXIF, its texts or its colour profile."""
    rgba = upright(eight_bits(image), orientation(image)).convert("RGBA")
    over = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return Image.frombytes("RGB", over.size, over.tobytes())


def eight_bits(image: Image.Image) -> Image.Image:
    """Of a grey value of 16 bits, 257 steps are one; Pillow would take every value above 255 for white."""
    if not image.mode.startswith("I"):
        return image
    return image.convert("I").point(lambda value: value * (1 / 257)).convert("L")


def orientation(image: Image.Image) -> int:
    """What its EXIF says, 1 to 8; EXIF that cannot be read says nothing."""
    try:
        told = image.getexif().get(ORIENTATION, 1)
    except (*DAMAGE, KeyError):
        return 1
    return told if isinstance(told, int) else 1


def upright(image: Image.Image, told: int) -> Image.Image:
    """The picture, turned as it is told."""
    return image.transpose(TURNS[told]) if told in TURNS else image
