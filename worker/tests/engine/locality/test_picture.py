"""The three figures say what the numbers say."""

from worker.engine.figures.charts import BLUE, SKY
from worker.engine.figures.drawing import Box, Dot, Drawing, Text, png
from worker.engine.locality.analysis import Locality
from worker.engine.locality.picture import figures, short


def texts(drawing: Drawing) -> list[str]:
    """Everything written."""
    return [shape.text for shape in drawing.shapes if isinstance(shape, Text)]


def heights(drawing: Drawing, colour: str) -> list[float]:
    """Bars of one colour that stand on a baseline, as they come."""
    return [s.height for s in drawing.shapes if isinstance(s, Box) and s.fill == colour and s.width != 8]


def test_there_are_three_and_each_can_be_painted(analysed: Locality) -> None:
    """By the names of their files; a PNG begins as one does."""
    drawn = figures(analysed)
    assert list(drawn) == ["locality-spread", "locality-divergence", "locality-agreement"]
    assert all(png(drawing, scale=1).startswith(b"\x89PNG") for drawing in drawn.values())


def test_every_shape_is_on_the_paper(analysed: Locality) -> None:
    """Nothing is drawn outside."""
    for drawing in figures(analysed).values():
        for shape in drawing.shapes:
            if isinstance(shape, Dot | Text | Box):
                assert 0 <= shape.x <= drawing.width
                assert 0 <= shape.y <= drawing.height


def test_every_trigger_is_a_dot_beside_its_ring(analysed: Locality) -> None:
    """Two kinds of start, nine triggers each."""
    dots = [shape for shape in figures(analysed)["locality-spread"].shapes if isinstance(shape, Dot)]
    assert sum(dot.hollow for dot in dots) == 18
    assert sum(not dot.hollow and dot.radius == 3 for dot in dots) == 18


def test_bars_are_in_proportion(analysed: Locality) -> None:
    """In the first panel, NeMo's from Gaussian starts, blue and sky bars stand as one image's D to two images'."""
    rows = [
        row
        for row in analysed.divergence
        if (row.start, row.method, row.reduction) == ("gaussian", "nemo", "statistic")
    ]
    drawing = figures(analysed)["locality-divergence"]
    blue, sky = heights(drawing, BLUE)[: len(rows)], heights(drawing, SKY)[: len(rows)]
    for row, one, two in zip(rows, blue, sky, strict=True):
        assert row.contrast.same is not None
        assert row.contrast.different is not None
        assert abs(one / two - row.contrast.same / row.contrast.different) < 1e-3


def test_layers_are_named_in_short(analysed: Locality) -> None:
    """Block and attention; the middle has one."""
    assert short("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v") == "d1.0"
    assert short("mid_block.attentions.0.transformer_blocks.0") == "m"
    assert short("up_blocks.2.attentions.1.transformer_blocks.0.ff.net.2") == "u2.1"
    assert {"d0.0", "d1.0", "m"} <= set(texts(figures(analysed)["locality-agreement"]))
