"""A drawing is a list of shapes; ``svg`` writes it as text, ``png`` paints the very same shapes with Pillow.

Coordinates are pixels from the upper left corner; the text's y is its baseline.
"""

import io
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFont

FAMILY = "sans-serif"
PAPER = "#ffffff"
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Line:
    """From (x1, y1) to (x2, y2)."""

    x1: float
    y1: float
    x2: float
    y2: float
    colour: str
    width: float = 1.0


@dataclass(frozen=True)
class Box:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    fill: str


@dataclass(frozen=True)
class Dot:
    """A disc, or with ``hollow`` its rim."""

    x: float
    y: float
    radius: float
    colour: str
    hollow: bool = False


@dataclass(frozen=True)
class Text:
    """One line of text."""

    x: float
    y: float
    text: str
    size: float = 11
    colour: str = "#333333"
    anchor: Anchor = "start"


Shape = Line | Box | Dot | Text


@dataclass(frozen=True)
class Drawing:
    """``title`` is what a reader without eyes is told."""

    width: int
    height: int
    title: str
    shapes: list[Shape]


def svg(drawing: Drawing) -> str:
    """The drawing as an SVG document; equal drawings are equal text."""
    size = f'width="{drawing.width}" height="{drawing.height}" viewBox="0 0 {drawing.width} {drawing.height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FAMILY}" role="img">',
        f"<title>{escape(drawing.title)}</title>",
        f'<rect width="{drawing.width}" height="{drawing.height}" fill="{PAPER}"/>',
        *(_element(shape) for shape in drawing.shapes),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _element(shape: Shape) -> str:
    match shape:
        case Line(x1, y1, x2, y2, colour, width):
            ends = f'x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"'
            return f'<line {ends} stroke="{colour}" stroke-width="{_n(width)}"/>'
        case Box(x, y, width, height, fill):
            return f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" fill="{fill}"/>'
        case Dot(x, y, radius, colour, hollow):
            paint = f'fill="{PAPER}" stroke="{colour}"' if hollow else f'fill="{colour}"'
            return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" {paint}/>'
        case Text(x, y, text, size, colour, anchor):
            looks = f'font-size="{_n(size)}" fill="{colour}" text-anchor="{anchor}"'
            return f'<text x="{_n(x)}" y="{_n(y)}" {looks}>{escape(text)}</text>'


def _n(value: float) -> str:
    """At most two decimals, none where they are zero."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def png(drawing: Drawing, scale: int = 2) -> bytes:
    """The drawing as a PNG file of ``scale`` times its size; painted at twice that and halved, for smooth edges."""
    k = 2 * scale
    image = Image.new("RGB", (drawing.width * k, drawing.height * k), PAPER)
    pen = ImageDraw.Draw(image)
    for shape in drawing.shapes:
        _paint(pen, shape, k)
    buffer = io.BytesIO()
    image.resize((drawing.width * scale, drawing.height * scale), Image.Resampling.BOX).save(buffer, "PNG")
    return buffer.getvalue()


def _paint(pen: ImageDraw.ImageDraw, shape: Shape, k: int) -> None:
    match shape:
        case Line(x1, y1, x2, y2, colour, width):
            pen.line((x1 * k, y1 * k, x2 * k, y2 * k), fill=colour, width=max(1, round(width * k)))
        case Box(x, y, width, height, fill):
            pen.rectangle((x * k, y * k, (x + width) * k, (y + height) * k), fill=fill)
        case Dot(x, y, radius, colour, hollow):
            rim = ((x - radius) * k, (y - radius) * k, (x + radius) * k, (y + radius) * k)
            pen.ellipse(rim, fill=PAPER if hollow else colour, outline=colour, width=k)
        case Text(x, y, text, size, colour, anchor):
            corner = {"start": "ls", "middle": "ms", "end": "rs"}[anchor]
            pen.text((x * k, y * k), text, fill=colour, font=ImageFont.load_default(size * k), anchor=corner)
