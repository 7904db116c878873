"""Bars in groups, points in a plane, ranges on a line: each a list of shapes within a frame.

A frame is a panel of a drawing; several make one figure. Colours are those of Okabe and Ito, told apart by everyone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from worker.engine.figures.drawing import Box, Dot, Line, Shape, Text

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442",
)  # fmt: skip
GREY, FAINT, INK = "#999999", "#dddddd", "#333333"


@dataclass(frozen=True)
class Frame:
    """Where a panel's axes stand: the upper left corner of the plotting area, its size, and what is written around."""

    x: float
    y: float
    width: float
    height: float
    title: str
    y_label: str = ""


@dataclass(frozen=True)
class Series:
    """One bar per group: heights, None where there is none, and optionally the ends of an interval."""

    label: str
    colour: str
    values: Sequence[float | None]
    intervals: Sequence[tuple[float, float] | None] = ()


@dataclass(frozen=True)
class Point:
    """A mark in the plane; ``origin`` draws a line from where it came."""

    x: float
    y: float
    colour: str
    hollow: bool = False
    radius: float = 3.0
    origin: tuple[float, float] | None = None


@dataclass(frozen=True)
class Range:
    """A distribution by its 5th, 25th, 50th, 75th and 95th percentile."""

    label: str
    colour: str
    percentiles: tuple[float, float, float, float, float]


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from low to high: a step of 1, 2 or 5 times a power of ten, at most ``most`` + 1 of them."""
    raw = (high - low) / most
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def written(value: float) -> str:
    """A tick's number without trailing zeros."""
    return f"{value:.6g}"


def bars(frame: Frame, groups: Sequence[str], series: Sequence[Series], top: float | None = None) -> list[Shape]:
    """Every group's bars side by side from zero to ``top`` (by default a little above the highest)."""
    ends = [end for s in series for interval in s.intervals if interval for end in interval]
    highest = max([value for s in series for value in s.values if value is not None] + ends, default=1.0)
    limit = top or (highest * 1.08 if highest > 0 else 1.0)
    shapes: list[Shape] = _vertical_axis(frame, 0.0, limit)
    room = frame.width / len(groups)
    thick = room * 0.8 / len(series)
    for g, group in enumerate(groups):
        left = frame.x + room * (g + 0.1)
        shapes.append(Text(frame.x + room * (g + 0.5), frame.y + frame.height + 14, group, 10, INK, "middle"))
        for i, s in enumerate(series):
            shapes += _bar(frame, s, g, left + thick * i, thick, limit)
    return shapes + legend(frame, [(s.label, s.colour) for s in series])


def _bar(frame: Frame, series: Series, g: int, x: float, thick: float, limit: float) -> list[Shape]:
    value = series.values[g]
    if value is None:
        return [Text(x + thick / 2, frame.y + frame.height - 3, "none", 8, GREY, "middle")]

    def at(v: float) -> float:
        return frame.y + frame.height * (1 - min(max(v, 0.0), limit) / limit)

    shapes: list[Shape] = [Box(x, at(value), thick * 0.92, frame.y + frame.height - at(value), series.colour)]
    interval = series.intervals[g] if series.intervals else None
    if interval is not None:
        middle = x + thick * 0.46
        shapes.append(Line(middle, at(interval[0]), middle, at(interval[1]), INK, 1.2))
    return shapes


def scatter(frame: Frame, points: Sequence[Point], labels: Sequence[tuple[str, str]] = ()) -> list[Shape]:
    """Points on equal scales in both directions, in the order given: later ones lie on top."""
    xs = [p.x for p in points] + [p.origin[0] for p in points if p.origin]
    ys = [p.y for p in points] + [p.origin[1] for p in points if p.origin]
    middle_x, middle_y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    reach = max((max(xs) - min(xs)) / frame.width, (max(ys) - min(ys)) / frame.height, 1e-9) * 1.08

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            frame.x + frame.width / 2 + (x - middle_x) / reach,
            frame.y + frame.height / 2 - (y - middle_y) / reach,
        )

    shapes: list[Shape] = [Text(frame.x, frame.y - 24, frame.title, 12), *_border(frame)]
    shapes += [Line(*at(*p.origin), *at(p.x, p.y), FAINT, 1) for p in points if p.origin]
    shapes += [Dot(*at(p.x, p.y), p.radius, p.colour, p.hollow) for p in points]
    return shapes + legend(frame, labels)


def ranges(frame: Frame, rows: Sequence[Range]) -> list[Shape]:
    """Distributions one above the other: a thin line from the 5th to the 95th percentile, a box, the median."""
    high = max(row.percentiles[-1] for row in rows) * 1.05
    shapes: list[Shape] = [Text(frame.x, frame.y - 24, frame.title, 12)]

    def at(v: float) -> float:
        return frame.x + frame.width * v / high

    for tick in ticks(0.0, high):
        shapes.append(Line(at(tick), frame.y, at(tick), frame.y + frame.height, FAINT))
        shapes.append(Text(at(tick), frame.y + frame.height + 14, written(tick), 10, INK, "middle"))
    room = frame.height / len(rows)
    for n, row in enumerate(rows):
        y = frame.y + room * (n + 0.5)
        p5, p25, p50, p75, p95 = (at(v) for v in row.percentiles)
        shapes.append(Text(frame.x - 8, y + 4, row.label, 10, INK, "end"))
        shapes.append(Line(p5, y, p95, y, row.colour, 1.5))
        shapes.append(Box(p25, y - room * 0.22, max(p75 - p25, 1), room * 0.44, row.colour))
        shapes.append(Line(p50, y - room * 0.3, p50, y + room * 0.3, INK, 1.5))
    return shapes


def legend(frame: Frame, labels: Sequence[tuple[str, str]]) -> list[Shape]:
    """Small squares and names in one line above the frame."""
    shapes: list[Shape] = []
    x = frame.x
    for label, colour in labels:
        shapes += [Box(x, frame.y - 15, 8, 8, colour), Text(x + 12, frame.y - 7, label, 10)]
        x += 22 + 5.2 * len(label)
    return shapes


def _border(frame: Frame) -> list[Shape]:
    left, right, top, bottom = frame.x, frame.x + frame.width, frame.y, frame.y + frame.height
    corners = [(left, top, right, top), (right, top, right, bottom), (right, bottom, left, bottom)]
    return [Line(*ends, FAINT) for ends in [*corners, (left, bottom, left, top)]]


def _vertical_axis(frame: Frame, low: float, high: float) -> list[Shape]:
    shapes: list[Shape] = [Text(frame.x, frame.y - 24, frame.title, 12)]
    for tick in ticks(low, high):
        y = frame.y + frame.height * (1 - (tick - low) / (high - low))
        shapes.append(Line(frame.x, y, frame.x + frame.width, y, FAINT))
        shapes.append(Text(frame.x - 6, y + 4, written(tick), 10, INK, "end"))
    shapes.append(Line(frame.x, frame.y + frame.height, frame.x + frame.width, frame.y + frame.height, INK))
    if frame.y_label:
        shapes.append(Text(frame.x - 6, frame.y - 7, frame.y_label, 10, GREY, "end"))
    return shapes
