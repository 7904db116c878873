"""The same shapes as text and as pixels."""

import io
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from worker.engine.figures.drawing import Box, Dot, Drawing, Line, Text, png, svg

SVG = "{http://www.w3.org/2000/svg}"
ONE_OF_EACH = Drawing(
    100,
    50,
    "a <title> & more",
    [
        Box(10, 5, 20, 30, "#0072b2"),
        Line(0, 40, 100, 40, "#333333", 2),
        Dot(60, 20, 5, "#d55e00"),
        Dot(80, 20, 5, "#009e73", hollow=True),
        Text(50, 48, "a < b & c", anchor="middle"),
    ],
)


def test_svg_says_every_shape() -> None:
    """It parses; paper, box, line, two circles and the text are there with their numbers, what is special escaped."""
    root = ElementTree.fromstring(svg(ONE_OF_EACH))
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("100", "50", "0 0 100 50")
    assert root.findtext(f"{SVG}title") == "a <title> & more"
    _, box = root.findall(f"{SVG}rect")
    assert [box.get(name) for name in ("x", "y", "width", "height", "fill")] == ["10", "5", "20", "30", "#0072b2"]
    line = root.find(f"{SVG}line")
    assert line is not None
    assert [line.get(name) for name in ("x1", "y1", "x2", "y2", "stroke-width")] == ["0", "40", "100", "40", "2"]
    full, hollow = root.findall(f"{SVG}circle")
    assert (full.get("fill"), hollow.get("fill"), hollow.get("stroke")) == ("#d55e00", "#ffffff", "#009e73")
    text = root.find(f"{SVG}text")
    assert text is not None
    assert (text.text, text.get("text-anchor")) == ("a < b & c", "middle")


def test_numbers_have_two_decimals_at_most() -> None:
    """1/3 is 0.33, 2.50 is 2.5 and 3.00 is 3."""
    [line] = ElementTree.fromstring(svg(Drawing(9, 9, "", [Line(1 / 3, 2.5, 3.0, 100.0, "#000000")]))).findall(
        f"{SVG}line"
    )
    assert [line.get(name) for name in ("x1", "y1", "x2", "y2")] == ["0.33", "2.5", "3", "100"]


def test_png_paints_what_svg_says() -> None:
    """Twice the size; inside the box its blue, in the full dot its red, in the hollow one paper, some ink for text."""
    pixels = np.asarray(Image.open(io.BytesIO(png(ONE_OF_EACH))))
    assert pixels.shape == (100, 200, 3)
    assert tuple(pixels[40, 40]) == (0x00, 0x72, 0xB2)
    assert tuple(pixels[40, 120]) == (0xD5, 0x5E, 0x00)
    assert tuple(pixels[40, 160]) == (255, 255, 255)
    assert tuple(pixels[80, 100]) == (0x33, 0x33, 0x33)
    assert (pixels[84:98, 60:140].min(axis=2) < 200).any()


def test_equal_drawings_are_equal_files() -> None:
    """Text and bytes."""
    again = Drawing(100, 50, "a <title> & more", list(ONE_OF_EACH.shapes))
    assert svg(again) == svg(ONE_OF_EACH)
    assert png(again) == png(ONE_OF_EACH)
