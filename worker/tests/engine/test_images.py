"""Bytes to tensors and back."""

import io

import pytest
import torch
from PIL import Image

from worker.engine.errors import ImageUnreadable
from worker.engine.images import decode, png, read, strip
from worker.tests import tiny


def file_of(picture: Image.Image, format: str = "PNG") -> bytes:
    """A picture's file."""
    buffer = io.BytesIO()
    picture.save(buffer, format)
    return buffer.getvalue()


def test_a_pictures_file_reads_as_the_picture() -> None:
    """k/255 is written as k and read as k/255."""
    picture = torch.arange(3 * 4 * 4).view(3, 4, 4).float() * 5 / 255
    assert torch.allclose(read(png(picture), 4), picture, atol=1e-6)


def test_colours_are_the_first_axis() -> None:
    """A blue pixel is (0, 0, 1)."""
    assert read(file_of(Image.new("RGB", (1, 1), "blue")), 1).flatten().tolist() == [0.0, 0.0, 1.0]


def test_transparent_pixels_are_white() -> None:
    """Red at no opacity is white; at 51/255 = ⅕ it is (1, ⅘, ⅘)."""
    clear = read(file_of(Image.new("RGBA", (2, 2), (255, 0, 0, 0))), 2)
    faint = read(file_of(Image.new("RGBA", (2, 2), (255, 0, 0, 51))), 2)
    assert clear.unique().tolist() == [1.0]
    assert faint[:, 0, 0].tolist() == pytest.approx([1.0, 0.8, 0.8])


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "CMYK", "I;16"])
def test_every_kind_of_pixel_becomes_red_green_and_blue(mode: str) -> None:
    """White stays white, three channels of it."""
    format = "JPEG" if mode == "CMYK" else "PNG"
    white = Image.new("RGB", (4, 4), "white").convert(mode) if mode != "I;16" else Image.new("I;16", (4, 4), 65535)
    assert read(file_of(white, format), 4).tolist() == torch.ones(3, 4, 4).tolist()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_other_shapes_are_squeezed_to_a_square(format: str) -> None:
    """A 10×30 grey picture is 8×8 grey."""
    grey = read(file_of(Image.new("RGB", (10, 30), (128, 128, 128)), format), 8)
    assert grey.shape == (3, 8, 8)
    assert float((grey - 128 / 255).abs().max()) < 0.02


def damaged(length: int) -> bytes:
    """A PNG whose pixels are said to take fewer bytes than they do: the next chunk has a name that is none."""
    content = tiny.picture_file(0)
    place = content.index(b"IDAT")
    return content[: place - 4] + length.to_bytes(4, "big") + content[place:]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no picture",
        tiny.picture_file(0)[:-40],
        damaged(0),
        damaged(40),
        file_of(Image.new("RGB", (4, 4)), "GIF"),
    ],
    ids=["empty", "text", "cut short", "no pixels", "part of the pixels", "another format"],
)
def test_what_is_no_picture_is_unreadable(content: bytes) -> None:
    """One error, without the bytes in it."""
    with pytest.raises(ImageUnreadable, match="a reference image cannot be decoded"):
        read(content, 8)


def test_a_strip_is_read_from_left_to_right() -> None:
    """Pictures 0, 1, 2 of two columns each: 0 0 1 1 2 2."""
    pictures = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 3, 2, 2)
    assert strip(pictures).shape == (3, 2, 6)
    assert strip(pictures)[0, 0].tolist() == [0, 0, 1, 1, 2, 2]


def test_a_png_clips_what_no_pixel_can_hold() -> None:
    """−1 is black and 2 is white."""
    assert read(png(torch.tensor([-1.0, 2.0]).view(1, 1, 2).expand(3, 2, 2)), 2)[0, 0].tolist() == [0.0, 1.0]


def test_a_picture_can_be_read_as_large_as_it_is() -> None:
    """A 10×30 file is 3×30×10, height before width; read at its own size it is the same."""
    assert decode(file_of(Image.new("RGB", (10, 30), "red"))).shape == (3, 30, 10)
    assert torch.equal(decode(tiny.picture_file(0)), read(tiny.picture_file(0), tiny.SIDE))


def test_grey_of_sixteen_bits_keeps_its_shades() -> None:
    """0, 25700 = 100 · 257 and 65535, by hand: black, 100 of 255, white."""
    picture = Image.new("I;16", (3, 1))
    picture.putdata([0, 25_700, 65_535])
    assert (decode(file_of(picture))[0, 0] * 255).round().tolist() == [0, 100, 255]


def test_a_picture_is_turned_as_its_exif_says() -> None:
    """Orientation 6: the camera was held a quarter turn to the right, and what was left is on top."""
    picture = Image.new("RGB", (16, 8), "red")
    picture.paste("blue", (8, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    picture.save(file, "JPEG", exif=exif, quality=95)
    upright = decode(file.getvalue())
    assert upright.shape == (3, 16, 8)
    assert bool((upright[0, :7] > 0.8).all())
    assert bool((upright[2, 9:] > 0.8).all())
