"""docs/results/locality.md, from raw rows: the tables, the figures, and sentences computed from the numbers."""

from typing import Any

from worker.benchmarks.standing import made
from worker.benchmarks.tables import table

Row = dict[str, Any]
NAMES = {"nemo": "NeMo", "wanda": "Wanda"}
STARTS = {"gaussian": "Gaussian", "other_prompt": "other prompts'", "prompt": "caption"}


def locality(rows: list[Row]) -> list[str]:
    """The page's lines."""
    return [
        "# Where the bundled model keeps its memories",
        "",
        *stands_on(rows),
        "",
        "The three indications of *Finding DoRI* (arXiv 2507.16880), each with a null; how they are measured stands in",
        "[locality](../locality.md). *One image* is over pairs of triggers of the same image, *two images* over pairs",
        "of triggers of different ones. p is the share of permutations of the image labels that look as local or more,",
        "adjusted by Holm over the layers of a method. Intervals are 95 %, over images. Locality predicts ratios well",
        "under 1, and agreements well over those of two images.",
        "",
        *searched(rows),
        "",
        "## 1 Triggers in embedding space",
        "",
        *spread(rows),
        "",
        "![triggers, their starts and prompts in the plane; distances](locality-spread.png)",
        "",
        "## 2 Activations per layer",
        "",
        *divergence(rows),
        "",
        "![discrepancy per layer](locality-divergence.png)",
        "",
        "## 3 Weights selected per layer",
        "",
        *agreement(rows),
        "",
        *between(rows),
        "",
        "![agreement per layer](locality-agreement.png)",
        "",
        "The figures are drawn from the same rows; each is also there as SVG.",
    ]


def stands_on(rows: list[Row]) -> list[str]:
    """The meta row as sentences."""
    meta = rows[0]
    p = meta["parameters"]
    return [
        made(meta),
        f"Model `{meta['model'][:16]}`, unmitigated; descriptor `{meta['descriptor'][:16]}` with threshold "
        f"{meta['threshold']}.",
        f"{len(meta['images'])} images, {p['triggers']} searches each and kind of start, {p['steps']} Adam steps of "
        f"{p['batch_size']} at η = {p['learning_rate']}; seed {meta['seeds']['seed']}.",
        f"NeMo with {p['nemo']['seeds']} seeds, Wanda at sparsity {p['wanda']['sparsity']} over "
        f"{p['wanda']['timesteps']} steps. {meta['forwards']:,} sample-forwards and "
        f"{meta['forwards_with_gradient']:,} with a gradient, {meta['seconds']} s.",
        "Raw rows: `docs/results/raw/locality.jsonl`.",
    ]


def of(rows: list[Row], name: str) -> list[Row]:
    """The rows of one table."""
    return [row for row in rows if row["table"] == name]


def searched(rows: list[Row]) -> list[str]:
    """How many searches found a trigger."""
    lines = [
        [STARTS[r["start"]], str(r["tried"]), f"{r['found']} ({r['found'] / r['tried']:.0%})", str(r["images"])]
        for r in of(rows, "searched")
    ]
    return table(["starts", "searches", "triggers found", "images with one"], lines)


def spread(rows: list[Row]) -> list[str]:
    """Distances, and what they say."""
    head = ["starts", "one image", "two images", "ratio", "p", "all starts", "prompts", "trigger to its start"]
    found = of(rows, "spread")
    lines = [
        [
            STARTS[r["start"]],
            about(r["triggers_of_one_image"]),
            about(r["triggers_of_two_images"]),
            effect(r["distance"]),
            p_of(r["distance"]["p"]),
            about(r["starts"]),
            about(r["prompts"]),
            about(r["displacement"]),
        ]
        for r in found
    ]
    said = [sentence(r) for r in found]
    return [
        *table(head, lines),
        "",
        "Mean ± standard deviation of Euclidean distances of flattened embeddings.",
        "",
        *said,
    ]


def sentence(r: Row) -> str:
    """What one kind of start shows."""
    own, moved = r["nearest_start"], r["direction"]
    return (
        f"* {STARTS[r['start']]} starts: triggers of one image are {nearer(r['distance'])}. "
        f"{own['k']} of {own['n']} lie "
        f"nearest to their own start. The directions searches moved in agree within an image by {moved['same']:.2f} "
        f"(cosine), between two by {moved['different']:.2f}: difference {effect(moved)}, p {p_of(moved['p'])}."
    )


def divergence(rows: list[Row]) -> list[str]:
    """D per layer, by both reductions."""
    head = ["method", "layer", "starts", "reduced to", "one image", "two images", "ratio", "p", "captions", "prompts"]
    found = of(rows, "divergence")
    lines = [
        [
            NAMES[r["method"]],
            short(r["layer"]),
            STARTS[r["start"]],
            r["reduction"],
            number(r["contrast"]["same"]),
            number(r["contrast"]["different"]),
            effect(r["contrast"]),
            p_of(r["p_adjusted"]),
            number(r["captions"]),
            number(r["prompts"]),
        ]
        for r in found
    ]
    larger = sum(r["contrast"]["same"] >= r["captions"] for r in found if r["contrast"]["same"] is not None)
    close = [r["contrast"]["value"] for r in found if r["contrast"]["value"] is not None]
    said = [
        f"The discrepancy of one image's triggers is {min(close):.2f} to {max(close):.2f} of that of two images', and "
        f"in {larger} of {len(found)} rows at least as large as that of different memorized captions.",
    ]
    return [*table(head, lines), "", *(said if close else [])]


def agreement(rows: list[Row]) -> list[str]:
    """IoU within a method."""
    head = [
        "method",
        "layer",
        "starts",
        "selected",
        "one image",
        "two images",
        "difference",
        "p",
        "chance",
        "empty",
        "with empty",
    ]
    lines = [
        [
            NAMES[r["method"]],
            short(r["layer"]),
            STARTS[r["start"]],
            f"{r['selected']:,.0f} of {r['units']:,}",
            number(r["agreement"]["same"]),
            number(r["agreement"]["different"]),
            effect(r["agreement"]),
            p_of(r["p_adjusted"]),
            number(r["chance"]),
            str(r["empty_unions"]),
            number(r["with_empty"]),
        ]
        for r in of(rows, "agreement")
    ]
    note = [
        "",
        "IoU over pairs whose union is not empty; *empty* counts the pairs of one image left out, *with empty* is the",
        "mean if two empty sets agree, as the paper has it.",
    ]
    return [*table(head, lines), *note]


def between(rows: list[Row]) -> list[str]:
    """IoU between the methods, for captions."""
    head = ["units", "block", "images", "one image", "two images", "chance", "p", "rank correlation", "left out"]
    lines = [
        [
            r["units"],
            short(r["layer"]),
            str(r["images"]),
            number(r["one_image"]) + ends(r["low"], r["high"]),
            number(r["two_images"]),
            number(r["chance"]),
            p_of(r["p"]),
            number(r["rank_correlation"]),
            str(r["left_out"]),
        ]
        for r in of(rows, "between")
    ]
    return ["NeMo against Wanda, for the same image's caption:", "", *table(head, lines)]


def nearer(contrast: Row) -> str:
    """Whether one image's triggers are nearer to one another than two images', by the interval of the ratio."""
    if contrast["low"] is None:
        return "not comparable"
    if contrast["high"] < 1:
        return f"nearer to one another than those of two images, by {1 - contrast['value']:.0%}"
    return "no nearer to one another than those of two images"


def about(found: Row) -> str:
    """Mean ± standard deviation."""
    return f"{found['mean']:.1f} ± {found['sd']:.1f}"


def number(value: float | None) -> str:
    """Three significant digits."""
    return "–" if value is None else f"{value:.3g}"


def effect(contrast: Row) -> str:
    """The effect with its interval."""
    return "–" if contrast["value"] is None else f"{contrast['value']:.2f}" + ends(contrast["low"], contrast["high"])


def ends(low: float | None, high: float | None) -> str:
    """An interval in brackets."""
    return "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"


def p_of(p: float | None) -> str:
    """Three decimals."""
    return "–" if p is None else f"{p:.3f}"


def short(layer: str) -> str:
    """``down_blocks.1.attentions.0.…`` is d1.0, the middle is m, up is u."""
    parts = layer.split(".")
    numbers = [part for part in parts if part.isdigit()]
    return "m" if parts[0] == "mid_block" else f"{parts[0][0]}{numbers[0]}.{numbers[1]}"
