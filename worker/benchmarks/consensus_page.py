"""docs/results/consensus.md from the rows of ``make consensus``."""

from typing import Any

from worker.benchmarks.standing import made
from worker.benchmarks.tables import table
from worker.engine.rates import rate

Row = dict[str, Any]
SETS = ("targets", "controls")


def consensus(rows: list[Row]) -> list[str]:
    """The page."""
    meta, items = rows[0], [row for row in rows if row["table"] == "item"]
    images, hits = meta["effort"]["images"], meta["effort"]["hits"]
    return [
        "# Without an image: is what the drawings agree on the training image?",
        "",
        made(meta),
        f"Model `{meta['model'][:16]}`, descriptor `{meta['descriptor'][:16]}` with threshold {meta['threshold']}; "
        f"seed {meta['seed']}; {meta['forwards']:,} sample-forwards, {meta['seconds']} s. Raw rows: "
        "`docs/results/raw/consensus.jsonl`.",
        *([f"Only the first {meta['only']} of each set were looked at."] if meta["only"] else []),
        "",
        f"Of {images} drawings of a caption the medoid is their consensus where at least {hits}/{images} of the others",
        "are copies of it. It is the truth where it is itself a copy of the image by the same descriptor. A target",
        "without an image is audited where a detector flags its caption and there is a consensus: `audited`. n counts",
        "images; intervals are Clopper-Pearson, 95 %.",
        "",
        *table(
            ["set", "flagged by any", "has a consensus", "audited", "audited, and it is the truth"],
            [line(name, [row for row in items if row["set"] == name]) for name in SETS],
        ),
        "",
        "## By detector",
        "",
        *table(
            ["flagged by", "targets", "controls"],
            [
                [detector, *(flagged([row for row in items if row["set"] == name], detector) for name in SETS)]
                for detector in meta["detectors"]
            ],
        ),
    ]


def line(name: str, mine: list[Row]) -> list[str]:
    """One set."""
    audited = [row for row in mine if row["flagged_by"] and row["found"]]
    return [
        name,
        share([bool(row["flagged_by"]) for row in mine]),
        share([row["found"] for row in mine]),
        share([row in audited for row in mine]),
        share([row["is_truth"] for row in audited]),
    ]


def flagged(mine: list[Row], detector: str) -> str:
    """How many captions of a set one detector flags."""
    return share([detector in row["flagged_by"] for row in mine])


def share(hits: list[bool]) -> str:
    """k/n with the interval; a dash where there is nobody."""
    if not hits:
        return "–"
    found = rate(sum(hits), len(hits))
    return f"{found.k}/{found.n} [{found.low:.2f}, {found.high:.2f}]"
