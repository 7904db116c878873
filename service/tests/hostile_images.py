"""Files that were never meant to be looked at, and some that only look like it: each with what becomes of it."""

import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

PNG, JPEG, WEBP = "image/png", "image/jpeg", "image/webp"
ANY = "application/octet-stream"
UNREADABLE = "IMAGE_UNREADABLE"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><image href="http://10.0.0.1/"/></svg>'


@dataclass(frozen=True)
class Case:
    """``code`` is the refusal's, None for what is kept; ``pixels`` of what is kept, by place, are within ``off``."""

    make: Callable[[], bytes]
    media_type: str
    code: str | None = UNREADABLE
    size: tuple[int, int] | None = None
    pixels: tuple[tuple[tuple[int, int], tuple[int, int, int]], ...] = ()
    off: int = 0


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    """A file of it."""
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def plain(format: str, mode: str = "RGB", color: Any = RED, size: tuple[int, int] = (8, 8), **options: Any) -> bytes:
    """A file of one colour."""
    return saved(Image.new(mode, size, color), format, **options)


def halves(mode: str = "RGB", size: tuple[int, int] = (16, 8)) -> Image.Image:
    """Red at the left, blue at the right."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image.convert(mode)


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def drawn(width: int, height: int, data: bytes, *before: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG that says it is so large, with this much in it."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        SIGNATURE
        + chunk(b"IHDR", header)
        + b"".join(before)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def turned(told: int) -> bytes:
    """A JPEG of two halves whose EXIF says how the camera was held."""
    exif = Image.Exif()
    exif[0x0112] = told
    return saved(halves(), "JPEG", exif=exif, quality=95)


def broken_exif() -> bytes:
    """A JPEG whose EXIF is noise behind its name."""
    return saved(halves(), "JPEG", exif=b"Exif\0\0" + b"II*\0" + b"\xff" * 40, quality=95)


def many_scans() -> bytes:
    """A progressive JPEG whose last scan is there two hundred times."""
    content = saved(halves(), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:last] + (content[last:-2]) * 200 + content[-2:]


def grey16(*values: int) -> bytes:
    """A PNG of one row of 16 bits."""
    row = b"\0" + b"".join(struct.pack(">H", value) for value in values)
    return drawn(len(values), 1, row, depth=16, colour=0)


def colour16() -> bytes:
    """A PNG of one pixel, red, of three times 16 bits."""
    return drawn(1, 1, b"\0" + struct.pack(">HHH", 0xFFFF, 0, 0), depth=16)


def palette() -> bytes:
    """Two pixels: red, and a blue that is not there."""
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *BLUE])
    image.putdata([0, 1])
    return saved(image, "PNG", transparency=1)


def zipped() -> bytes:
    """An archive."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("payload.txt", "payload")
    return file.getvalue()


def texts() -> bytes:
    """A picture with texts, one of them a pickle."""
    info = PngInfo()
    info.add_text("Comment", "<script>payload</script>")
    info.add_text("pickle", pickle.dumps({"payload": 1}).decode("latin-1"), zip=True)
    return plain("PNG", pnginfo=info)


def animated(format: str) -> bytes:
    """Two frames."""
    return plain(format, save_all=True, append_images=[Image.new("RGB", (8, 8), BLUE)], duration=100)


def cut(format: str, share: float) -> bytes:
    """The beginning of a file that does not compress to nothing."""
    noise = Image.frombytes("RGB", (64, 64), bytes((7 * n * n + n // 3) % 251 for n in range(64 * 64 * 3)))
    content = saved(noise, format)
    return content[: int(len(content) * share)]


def flipped() -> bytes:
    """A PNG with one bit of its picture the wrong way round."""
    content = bytearray(plain("PNG"))
    content[content.index(b"IDAT") + 8] ^= 0x10
    return bytes(content)


def webp_header(width: int, height: int) -> bytes:
    """A lossless WebP that says it is so large and has nothing in it."""
    size = (width - 1) | (height - 1) << 14
    data = b"\x2f" + struct.pack("<I", size) + b"\0" * 8
    return b"RIFF" + struct.pack("<I", len(data) + 12) + b"WEBPVP8L" + struct.pack("<I", len(data)) + data


def jpeg_header(width: int, height: int) -> bytes:
    """A JPEG whose frame says it is so large."""
    content = bytearray(plain("JPEG"))
    place = content.index(b"\xff\xc0")
    content[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(content)


FLAT: dict[str, Any] = {"code": None, "size": (8, 8), "pixels": (((4, 4), RED),), "off": 4}
LEFT_RED: dict[str, Any] = {"code": None, "size": (16, 8), "pixels": (((2, 4), RED), ((13, 4), BLUE)), "off": 24}
LEFT_BLUE: dict[str, Any] = {"code": None, "size": (16, 8), "pixels": (((2, 4), BLUE), ((13, 4), RED)), "off": 24}
TOP_RED: dict[str, Any] = {"code": None, "size": (8, 16), "pixels": (((4, 2), RED), ((4, 13), BLUE)), "off": 24}
TOP_BLUE: dict[str, Any] = {"code": None, "size": (8, 16), "pixels": (((4, 2), BLUE), ((4, 13), RED)), "off": 24}
UPRIGHT = [LEFT_RED, LEFT_BLUE, LEFT_BLUE, LEFT_RED, TOP_RED, TOP_RED, TOP_BLUE, TOP_BLUE]
"""Of a picture that is red at the left, by orientation from 1 (TIFF 6.0, tag 274)."""

CASES: dict[str, dict[str, Case]] = {
    "bombs": {
        **{
            f"a header of {side}²": Case(partial(drawn, side, side, b"\0" * 100), PNG)
            for side in (4097, 10_000, 20_000, 65_535, 2**31 - 1)
        },
        "a line of 2³¹ pixels": Case(partial(drawn, 2**31 - 1, 1, b"\0" * 100), PNG),
        "a header of a JPEG": Case(partial(jpeg_header, 65_500, 65_500), JPEG),
        "a header of a WebP": Case(partial(webp_header, 16_383, 16_383), WEBP),
        "a text that unpacks to 32 MB": Case(
            lambda: drawn(
                1, 1, b"\0" * 4, chunk(b"zTXt", b"bomb\0\0" + zlib.compress(b"\0" * 2**25)), chunk(b"tIME", b"")
            ),
            PNG,
        ),
        "a profile that unpacks to 32 MB": Case(
            lambda: drawn(1, 1, b"\0\xff\0\0", chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"\0" * 2**25))), PNG
        ),
        "more rows than it says": Case(lambda: drawn(1, 1, b"\0\xff\0\0" * 2**20), PNG, None, (1, 1), (((0, 0), RED),)),
        "two hundred scans": Case(many_scans, JPEG),
    },
    "polyglots": {
        "an archive behind a PNG": Case(lambda: plain("PNG") + zipped(), PNG, **FLAT),
        "an archive behind a JPEG": Case(lambda: plain("JPEG") + zipped(), JPEG, **FLAT),
        "a page behind a WebP": Case(lambda: plain("WEBP") + b"<script>payload</script>", WEBP, **FLAT),
        "an archive in front": Case(lambda: zipped() + plain("PNG"), PNG),
        "a page in front": Case(lambda: b"<html>" + plain("PNG"), PNG),
        "texts and a pickle inside": Case(texts, PNG, **FLAT),
        "a script in a JPEG's comment": Case(lambda: plain("JPEG", comment=b"*/alert(1)/* payload"), JPEG, **FLAT),
        "two PNGs in one": Case(lambda: plain("PNG") + plain("PNG", color=BLUE), PNG, **FLAT),
    },
    "truncated": {
        **{
            f"{share:.0%} of a {format}": Case(partial(cut, format, share), media_type)
            for format, media_type in (("PNG", PNG), ("JPEG", JPEG), ("WEBP", WEBP))
            for share in (0.1, 0.5, 0.9)
        },
        "a signature": Case(lambda: SIGNATURE, PNG),
        "the beginning of a JPEG": Case(lambda: b"\xff\xd8\xff", JPEG),
        "a RIFF of nothing": Case(lambda: b"RIFF\0\0\0\0WEBP", WEBP),
        "a PNG without its picture": Case(lambda: SIGNATURE + chunk(b"IEND", b""), PNG),
        "one bit the wrong way round": Case(flipped, PNG),
    },
    "depths and colours": {
        "16 bits of grey": Case(
            lambda: grey16(0, 25_700, 65_535),
            PNG,
            None,
            (3, 1),
            (((0, 0), (0, 0, 0)), ((1, 0), (100, 100, 100)), ((2, 0), WHITE)),
        ),
        "16 bits of red": Case(colour16, PNG, None, (1, 1), (((0, 0), RED),)),
        "one bit": Case(lambda: plain("PNG", "1", 1), PNG, None, (8, 8), (((0, 0), WHITE),)),
        "grey": Case(lambda: plain("PNG", "L", 99), PNG, None, (8, 8), (((0, 0), (99, 99, 99)),)),
        "grey, half of it there": Case(
            lambda: plain("PNG", "LA", (0, 51)), PNG, None, (8, 8), (((0, 0), (204, 204, 204)),)
        ),
        "CMYK": Case(lambda: plain("JPEG", "CMYK", (0, 255, 255, 0)), JPEG, **FLAT),
        "YCbCr": Case(lambda: plain("JPEG", "YCbCr", (76, 85, 255)), JPEG, **FLAT),
        "a palette with a colour that is not there": Case(palette, PNG, None, (2, 1), (((0, 0), RED), ((1, 0), WHITE))),
        "nothing but transparency": Case(
            lambda: plain("PNG", "RGBA", (255, 0, 0, 0)), PNG, None, (8, 8), (((0, 0), WHITE),)
        ),
        "a WebP that is half there": Case(
            lambda: plain("WEBP", "RGBA", (255, 0, 0, 0), lossless=True), WEBP, None, (8, 8), (((0, 0), WHITE),)
        ),
    },
    "orientations": {
        **{
            f"orientation {told}": Case(partial(turned, told), JPEG, **upright)
            for told, upright in enumerate(UPRIGHT, 1)
        },
        "orientation 9, which there is not": Case(partial(turned, 9), JPEG, **LEFT_RED),
        "orientation 0": Case(partial(turned, 0), JPEG, **LEFT_RED),
        "EXIF that is noise": Case(broken_exif, JPEG, **LEFT_RED),
    },
    "animations": {
        "a PNG of two frames": Case(partial(animated, "PNG"), PNG),
        "a WebP of two frames": Case(partial(animated, "WEBP"), WEBP),
        "a GIF of two frames": Case(partial(animated, "GIF"), "image/gif"),
        "a JPEG of two pictures": Case(partial(animated, "MPO"), JPEG),
    },
    "sizes": {
        "no byte": Case(lambda: b"", PNG),
        "a width of 0": Case(lambda: drawn(0, 8, b""), PNG),
        "a height of 0": Case(lambda: drawn(8, 0, b""), PNG),
        "a JPEG of 0 by 0": Case(partial(jpeg_header, 0, 0), JPEG),
        "one pixel": Case(lambda: plain("PNG", size=(1, 1)), PNG, None, (1, 1), (((0, 0), RED),)),
        "a line of 4096": Case(lambda: plain("PNG", size=(4096, 1)), PNG, None, (4096, 1), (((4095, 0), RED),)),
    },
    "names": {
        "a JPEG that says it is PNG": Case(lambda: plain("JPEG"), PNG),
        "a PNG that says it is JPEG": Case(lambda: plain("PNG"), JPEG),
        "a WebP that says it is PNG": Case(lambda: plain("WEBP"), PNG),
        "a PNG that says it is SVG": Case(lambda: plain("PNG"), "image/svg+xml"),
        "a PNG that says it is a page": Case(lambda: plain("PNG"), "text/html"),
        "a PNG that says nothing": Case(lambda: plain("PNG"), ANY, **FLAT),
        "a JPEG that says nothing": Case(lambda: plain("JPEG"), ANY, **FLAT),
        "a WebP in capitals": Case(lambda: plain("WEBP"), "IMAGE/WEBP", **FLAT),
    },
    "no pictures": {
        "SVG": Case(lambda: SVG, "image/svg+xml"),
        "SVG that says it is PNG": Case(lambda: SVG, PNG),
        "SVG that says nothing": Case(lambda: SVG, ANY),
        **{
            f"a {format}": Case(partial(plain, format), ANY)
            for format in ("GIF", "BMP", "TIFF", "PPM", "ICO", "TGA", "PCX", "DDS", "EPS", "PDF", "JPEG2000", "ICNS")
        },
        "a FITS": Case(lambda: b"SIMPLE  =                    T".ljust(2880), ANY),
        "a Photoshop file": Case(lambda: b"8BPS\0\1" + b"\0" * 60, ANY),
        **{f"a pickle of protocol {n}": Case(partial(pickle.dumps, {"weights": [1.0]}, n), PNG) for n in (0, 2, 4, 5)},
        "a pickle behind a signature": Case(lambda: SIGNATURE + pickle.dumps({"weights": 1}), PNG),
        "a model in an archive": Case(zipped, ANY),
        "a program": Case(lambda: b"\x7fELF\2\1\1" + b"\0" * 100, ANY),
        "a page": Case(lambda: b"<!doctype html><script>alert(1)</script>", PNG),
        "a command": Case(lambda: b"push graphic-context\nfill 'url(https://10.0.0.1/|ls)'\n", ANY),
    },
}
COUNTS = {
    "bombs": 12,
    "polyglots": 8,
    "truncated": 14,
    "depths and colours": 10,
    "orientations": 11,
    "animations": 4,
    "sizes": 6,
    "names": 8,
    "no pictures": 26,
}
"""How many there are of each kind, so that none goes missing."""
