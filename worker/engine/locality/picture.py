"""The three figures: triggers in the plane, divergence per layer, agreement per layer."""

from collections.abc import Sequence

from worker.engine.figures.charts import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    YELLOW,
    Frame,
    Point,
    Range,
    Series,
    bars,
    ranges,
    scatter,
)
from worker.engine.figures.drawing import Drawing, Shape, Text
from worker.engine.locality.activation_divergence import LayerDivergence
from worker.engine.locality.analysis import Locality
from worker.engine.locality.between_methods import BetweenMethods
from worker.engine.locality.embedding_spread import EmbeddingSpread
from worker.engine.locality.pairs import Spread
from worker.engine.locality.weight_agreement import LayerAgreement

COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)
SHOWN = len(COLOURS)
NAMES = {"nemo": "NeMo", "wanda": "Wanda"}


def spread(found: Sequence[EmbeddingSpread]) -> Drawing:
    """Per kind of start: triggers tied to their starts among prompts, and the distances as ranges."""
    shapes: list[Shape] = []
    for n, one in enumerate(found):
        shapes += _plane(one, 50, 60 + 400 * n)
        shapes += _distances(one, 600, 60 + 400 * n)
    return Drawing(980, 400 * len(found) + 10, "Where triggers of one image lie in embedding space", shapes)


def _plane(one: EmbeddingSpread, x: float, y: float) -> list[Shape]:
    images = sorted({p.image for p in one.plane if p.image is not None})[:SHOWN]
    colour = dict(zip(images, COLOURS, strict=False))
    points = [Point(*p.at, FAINT, radius=2) for p in one.plane if p.image is None]
    for p in one.plane:
        if p.image in colour and p.start is not None:
            points.append(Point(*p.start, colour[p.image], hollow=True, radius=2.5))
            points.append(Point(*p.at, colour[p.image], origin=p.start))
    title = f"Triggers (full) and their {said(one.start)} starts (rings); prompts in grey"
    words = [(f"image {n}", COLOURS[n - 1]) for n in range(1, len(images) + 1)]
    share = f"principal plane, {one.plane_variance:.0%} of the variance"
    frame = Frame(x, y, 400, 320, title)
    return [*scatter(frame, points, words), Text(x + 400, y + 334, share, 10, GREY, "end")]


def _distances(one: EmbeddingSpread, x: float, y: float) -> list[Shape]:
    rows = [
        _range("triggers, one image", BLUE, one.triggers_of_one_image),
        _range("triggers, two images", SKY, one.triggers_of_two_images),
        _range("all starts", GREY, one.starts),
        _range("different prompts", YELLOW, one.prompts),
        _range("trigger to its start", GREEN, one.displacement),
    ]
    frame = Frame(x + 20, y, 330, 300, "Distance of embeddings (5th, 25th, 50th, 75th, 95th percentile)")
    return ranges(frame, rows)


def _range(label: str, colour: str, found: Spread) -> Range:
    return Range(label, colour, found.percentiles)


def divergence(found: Sequence[LayerDivergence]) -> Drawing:
    """Per kind of start and method: D of one image's triggers, of two images' and of captions, by the statistic."""
    panels = [
        (start, method, rows)
        for start in dict.fromkeys(row.start for row in found)
        for method in NAMES
        if (rows := [r for r in found if (r.start, r.method, r.reduction) == (start, method, "statistic")])
    ]
    shapes: list[Shape] = []
    for n, (start, method, rows) in enumerate(panels):
        series = [
            Series("triggers, one image", BLUE, [row.contrast.same for row in rows]),
            Series("triggers, two images", SKY, [row.contrast.different for row in rows]),
            Series("captions", ORANGE, [row.captions for row in rows]),
            Series("prompts", GREY, [row.prompts for row in rows]),
        ]
        title = f"{NAMES[method]}'s activations, {said(start)} starts"
        frame = Frame(60 + 480 * (n % 2), 60 + 260 * (n // 2), 400, 170, title, "D")
        shapes += bars(frame, [short(row.layer) for row in rows], series)
    return Drawing(980, 260 * ((len(panels) + 1) // 2) + 20, "Discrepancy of activations per layer", shapes)


def agreement(found: Sequence[LayerAgreement], between: Sequence[BetweenMethods]) -> Drawing:
    """Within a method, per kind of start; below, between methods for one image's caption."""
    panels = [
        (start, method, [r for r in found if (r.start, r.method) == (start, method)])
        for start in dict.fromkeys(row.start for row in found)
        for method in NAMES
    ]
    shapes: list[Shape] = []
    for n, (start, method, rows) in enumerate(panels):
        series = [
            Series("triggers, one image", BLUE, [row.agreement.same for row in rows]),
            Series("triggers, two images", SKY, [row.agreement.different for row in rows]),
            Series("chance", GREY, [row.chance for row in rows]),
        ]
        title = f"{NAMES[method]}'s selection, {said(start)} starts"
        frame = Frame(60 + 480 * (n % 2), 60 + 260 * (n // 2), 400, 170, title, "IoU")
        shapes += bars(frame, [short(row.layer) for row in rows], series, top=1.0)
    below = (len(panels) + 1) // 2
    for n, units in enumerate(dict.fromkeys(row.units for row in between)):
        shapes += _between([row for row in between if row.units == units], 60 + 480 * n, 60 + 260 * below)
    return Drawing(980, 260 * (below + bool(between)) + 20, "Agreement of the weights selected per layer", shapes)


def _between(rows: Sequence[BetweenMethods], x: float, y: float) -> list[Shape]:
    series = [
        Series("one image", BLUE, [row.one_image for row in rows], [_ends(row) for row in rows]),
        Series("two images", SKY, [row.two_images for row in rows]),
        Series("chance", GREY, [row.chance for row in rows]),
    ]
    frame = Frame(x, y, 400, 170, f"NeMo against Wanda, in {rows[0].units}", "IoU")
    return bars(frame, [short(row.layer) for row in rows], series, top=1.0)


def _ends(row: BetweenMethods) -> tuple[float, float] | None:
    return None if row.low is None or row.high is None else (row.low, row.high)


def said(start: str) -> str:
    """A kind of start in words."""
    return {"gaussian": "Gaussian", "other_prompt": "other prompts'", "prompt": "caption"}[start]


def short(layer: str) -> str:
    """A layer's block in a few letters: ``down_blocks.1.attentions.0.…`` is d1.0, the middle is m, up is u."""
    parts = layer.split(".")
    numbers = [part for part in parts if part.isdigit()]
    if parts[0] == "mid_block":
        return "m"
    return f"{parts[0][0]}{numbers[0]}.{numbers[1]}"


def figures(found: Locality) -> dict[str, Drawing]:
    """All three, by the name of their file."""
    return {
        "locality-spread": spread(found.spread),
        "locality-divergence": divergence(found.divergence),
        "locality-agreement": agreement(found.agreement, found.between),
    }
