"""One form for every picture, whatever it was; and what the decoder makes of anything at all."""

from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from service import canonical, images
from service.images import FORMATS, MOST_SCANS, SCAN, Unreadable
from service.tests.hostile_images import CASES, RED, Case, halves, plain, saved

SMALL = 2**14
SEEDS: list[Case] = [case for kind, cases in CASES.items() if kind != "bombs" for case in cases.values()]


def made(content: bytes) -> bytes:
    """The one form of a file."""
    with images.decoded(content, None) as image:
        return canonical.png(canonical.flat(image))


def test_the_one_form_is_its_own() -> None:
    """Made anew it is the same, byte by byte; and so is the picture from any lossless file."""
    once = made(saved(halves(), "PNG"))
    assert made(once) == once
    assert made(saved(halves(), "WEBP", lossless=True)) == once
    assert made(saved(halves("P"), "PNG")) == once


def test_it_is_what_the_worker_would_see() -> None:
    """Half of red over white, by hand: 255, and 255 · (1 − 128/255) = 127."""
    flat = canonical.flat(Image.new("RGBA", (1, 1), (255, 0, 0, 128)))
    assert flat.getpixel((0, 0)) == (255, 127, 127)


def test_grey_of_sixteen_bits_is_divided_by_257() -> None:
    """65535 is white, 257 is 1, 300 is 1, and 0 is black."""
    image = Image.new("I;16", (4, 1))
    image.putdata([0, 257, 300, 65535])
    assert canonical.flat(image).tobytes()[::3] == bytes([0, 1, 1, 255])


def test_a_file_has_so_many_scans() -> None:
    """A progressive picture has ten; of a hundred and one none is looked at."""
    progressive = saved(halves(), "JPEG", progressive=True)
    assert 5 < progressive.count(SCAN) <= MOST_SCANS
    images.decoded(progressive, "image/jpeg").close()
    last = progressive.rindex(SCAN)
    more = progressive[:last] + progressive[last:-2] * (MOST_SCANS + 1) + progressive[-2:]
    with pytest.raises(Unreadable, match="scans"):
        images.decoded(more, "image/jpeg")


def test_the_formats_of_a_part_that_says_nothing_are_the_three() -> None:
    """Nothing else that Pillow could read."""
    for name in ("PNG", "JPEG", "WEBP"):
        assert made(plain(name))
    for name in ("GIF", "BMP", "TIFF"):
        with pytest.raises(Unreadable):
            images.decoded(plain(name), None)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A case of the tables with some bytes changed, left out, put in or cut off."""
    content = bytearray(draw(st.sampled_from(SEEDS)).make())
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(content)))
        content[place : place + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)


@given(content=st.one_of(st.binary(max_size=300), damaged()), said=st.sampled_from([None, *FORMATS]))
@settings(max_examples=400)
def test_anything_is_a_picture_or_unreadable(content: bytes, said: str | None) -> None:
    """Whatever comes: nothing else is raised, no more pixels are decoded than allowed, and a picture becomes a PNG."""
    with suppress(Unreadable):
        with images.decoded(content, said, most=SMALL) as image:
            png = canonical.png(canonical.flat(image))
        with Image.open(BytesIO(png), formats=("PNG",)) as kept:
            assert (kept.mode, kept.info) == ("RGB", {})
            assert 0 < kept.width * kept.height <= SMALL


def test_pixels_are_all_that_is_kept() -> None:
    """EXIF, a comment, a colour profile and a resolution: none of it is in the file."""
    exif = Image.Exif()
    exif[0x010E] = "a secret"
    content = saved(
        Image.new("RGB", (8, 8), RED), "JPEG", exif=exif, comment=b"a secret", dpi=(300, 300), icc_profile=b"x"
    )
    assert b"a secret" in content
    assert b"a secret" not in made(content)
    with Image.open(BytesIO(made(content))) as kept:
        assert kept.info == {}
