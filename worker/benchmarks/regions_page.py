"""docs/results/regions.md from the rows of ``make regions``."""

from typing import Any

from worker.benchmarks.standing import made
from worker.benchmarks.tables import table
from worker.engine.rates import rate

Row = dict[str, Any]
SETS = {"targets": "targets (memorized)", "unseen": "never seen"}


def regions(rows: list[Row]) -> list[str]:
    """The page."""
    meta = rows[0]
    items, pasted, fresh = ([row for row in rows if row["table"] == name] for name in ("item", "pasted", "fresh"))
    images, hits = meta["effort"]["images"], meta["effort"]["hits"]
    return [
        "# Targets judged in a region, on the bundled model",
        "",
        made(meta),
        f"Model `{meta['model'][:16]}`, descriptor `{meta['descriptor'][:16]}` with threshold {meta['threshold']}; "
        f"seed {meta['seed']}; {meta['forwards']:,} sample-forwards, {meta['seconds']} s. Raw rows: "
        "`docs/results/raw/regions.jsonl`.",
        *([f"Only the first {meta['only']} of each set were looked at."] if meta["only"] else []),
        "",
        "The region is the middle quarter of every picture ([how it is judged](../regions.md)). No search was made. n",
        "counts images; intervals are Clopper-Pearson, 95 %.",
        "",
        f"**By caption**, {hits} of {images} drawings must be copies:",
        "",
        *table(
            ["set", "the judge has power", "replicates in the region", "replicates as a whole", "median threshold"],
            [line(title, [row for row in items if row["set"] == name]) for name, title in SETS.items()],
        ),
        "",
        "**Partial copies**: a never-seen picture with the target's region in it, at its place or moved by a quarter",
        "of it along both axes, through the autoencoder once:",
        "",
        *table(
            ["where", "found in the region", "found by the second judge", "found as a whole image"],
            [
                place("at its place", [row for row in pasted if row["moved"] == [0, 0]]),
                place("moved", [row for row in pasted if row["moved"] != [0, 0]]),
            ],
        ),
        "",
        *exceeding(meta, fresh),
    ]


def line(title: str, mine: list[Row]) -> list[str]:
    """One set."""
    thresholds = sorted(row["threshold"] for row in mine)
    return [
        title,
        *(share([row[name] for row in mine]) for name in ("has_power", "region", "whole")),
        f"{thresholds[len(thresholds) // 2]:.3f}" if thresholds else "–",
    ]


def place(title: str, mine: list[Row]) -> list[str]:
    """One place of partial copies."""
    return [title, *(share([bool(row[name]) for row in mine]) for name in ("region", "second", "whole"))]


def exceeding(meta: Row, fresh: list[Row]) -> list[str]:
    """The bound, tried."""
    if not fresh:
        return ["The bound on false positives was not tried: there are no neutral prompts beside those it rests on."]
    k, n, most = sum(row["exceeding"] for row in fresh), sum(row["of"] for row in fresh), fresh[0]["of"]
    worst, negatives = max(row["exceeding"] for row in fresh), meta["negatives"]
    return [
        f"**False positives.** Each threshold is the largest of {negatives} negatives, or the descriptor's own: at",
        f"most 1/{negatives + 1} of further pictures exceed it. Of {most} pictures of other neutral prompts, against",
        f"{len(fresh)} targets, {k} of {n} pairs did ({100 * k / n:.2f} %; no interval, for the pairs share pictures),",
        f"{worst} of {most} for the worst target.",
    ]


def share(hits: list[bool]) -> str:
    """k/n with the interval; a dash where there is nobody."""
    if not hits:
        return "–"
    found = rate(sum(hits), len(hits))
    return f"{found.k}/{found.n} [{found.low:.2f}, {found.high:.2f}]"
