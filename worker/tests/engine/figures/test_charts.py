"""Where bars, points and ranges come to stand."""

import pytest

from worker.engine.figures.charts import BLUE, GREY, ORANGE, Frame, Point, Range, Series, bars, ranges, scatter, ticks
from worker.engine.figures.drawing import Box, Dot, Line, Shape, Text

FRAME = Frame(x=100, y=50, width=200, height=100, title="A panel")


def boxes(shapes: list[Shape], colour: str) -> list[Box]:
    """The boxes of one colour that are no legend."""
    return [s for s in shapes if isinstance(s, Box) and s.fill == colour and (s.width, s.height) != (8, 8)]


def texts(shapes: list[Shape]) -> list[str]:
    """Everything written."""
    return [s.text for s in shapes if isinstance(s, Text)]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 0.9, [0, 0.2, 0.4, 0.6, 0.8]),
        (0, 23, [0, 5, 10, 15, 20]),
        (0, 450, [0, 100, 200, 300, 400]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    """Steps of 1, 2 or 5 times a power of ten."""
    assert ticks(low, high) == expected


def test_a_bar_is_as_high_as_its_value() -> None:
    """Up to 1 the frame is 100 high: 0.25 is 25 pixels from the bottom at 150, 1 is all of it."""
    shapes = bars(FRAME, ["a", "b"], [Series("s", BLUE, [0.25, 1.0])], top=1.0)
    assert [(b.y, b.height) for b in boxes(shapes, BLUE)] == [(125, 25), (50, 100)]
    assert {"A panel", "a", "b", "s", "0", "1"} <= set(texts(shapes))


def test_bars_of_a_group_stand_side_by_side() -> None:
    """Two groups of 100 pixels, 10 % of air on each side, two bars of 40: at 110, 150, 210 and 250."""
    shapes = bars(FRAME, ["a", "b"], [Series("s", BLUE, [1, 1]), Series("t", ORANGE, [1, 1])])
    assert [b.x for b in boxes(shapes, BLUE)] == pytest.approx([110, 210])
    assert [b.x for b in boxes(shapes, ORANGE)] == pytest.approx([150, 250])


def test_no_value_is_no_bar() -> None:
    """It says so instead."""
    shapes = bars(FRAME, ["a", "b"], [Series("s", BLUE, [None, 0.5])], top=1.0)
    assert len(boxes(shapes, BLUE)) == 1
    assert "none" in texts(shapes)


def test_an_interval_is_a_line_over_its_bar() -> None:
    """From 0.25 to 0.75 of 100 pixels."""
    shapes = bars(FRAME, ["a"], [Series("s", BLUE, [0.5], [(0.25, 0.75)])], top=1.0)
    upright = [s for s in shapes if isinstance(s, Line) and s.x1 == s.x2]
    assert [(s.y1, s.y2) for s in upright] == [(125, 75)]


def test_points_keep_their_proportions() -> None:
    """A square of data in a frame twice as wide as high: as far apart across as up, centred, later points on top."""
    corners = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
    dots = [s for s in scatter(FRAME, [Point(x, y, BLUE) for x, y in corners]) if isinstance(s, Dot)]
    across, up = dots[1].x - dots[0].x, dots[0].y - dots[2].y
    assert across == pytest.approx(up)
    assert (dots[0].x + dots[3].x) / 2 == pytest.approx(200)
    assert (dots[0].y + dots[3].y) / 2 == pytest.approx(100)
    assert all(100 <= d.x <= 300 and 50 <= d.y <= 150 for d in dots)


def test_a_point_is_tied_to_its_origin() -> None:
    """By a line that lies below the dots."""
    shapes = scatter(FRAME, [Point(0, 0, BLUE, hollow=True), Point(1, 1, BLUE, origin=(0, 0))])
    start, end = [s for s in shapes if isinstance(s, Dot)]
    tie = next(
        s for s in shapes if isinstance(s, Line) and (s.x1, s.y1, s.x2, s.y2) == (start.x, start.y, end.x, end.y)
    )
    assert shapes.index(tie) < shapes.index(start)


def test_a_range_is_drawn_from_its_percentiles() -> None:
    """0 to 10.5 over 200 pixels: the box from 4 to 6, the line from 2 to 10, the median at 5."""
    shapes = ranges(FRAME, [Range("distances", GREY, (2, 4, 5, 6, 10))])
    scale = 200 / 10.5
    [box] = boxes(shapes, GREY)
    assert (box.x, box.width) == pytest.approx((100 + 4 * scale, 2 * scale))
    [whisker] = [s for s in shapes if isinstance(s, Line) and s.colour == GREY]
    assert (whisker.x1, whisker.x2) == pytest.approx((100 + 2 * scale, 100 + 10 * scale))
    assert any(isinstance(s, Line) and s.x1 == s.x2 == pytest.approx(100 + 5 * scale) for s in shapes)
    assert "distances" in texts(shapes)
