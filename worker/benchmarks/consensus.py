"""Without an image: is what the drawings agree on the training image? ``make consensus``.

What an audit does with a target that came without an image (worker/references.py), on the bundled model, whose truth
is known: every detector with its defaults says whether it flags the caption; what the model draws of it is asked for
an agreement, of whoever is flagged or not; and the picture agreed on is compared with the image. Of targets that is
how often a consensus is the truth, of controls how often there is one at all.

Raw rows go to docs/results/raw/consensus.jsonl, one an item. ``--only N`` takes the first N of each set.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from palimpsest.contract.methods import (
    AttentionEntropyParams,
    BrightEndingParams,
    DetectorParams,
    MagnitudeParams,
    SharpnessParams,
)
from worker.benchmarks import bundled, standing
from worker.benchmarks.running import say, use_cores, write
from worker.engine.consensus import Consensus, consensus
from worker.engine.detection import compare, neutral_scores
from worker.engine.items import Item
from worker.engine.setting import Setting

RAW = Path("docs/results/raw/consensus.jsonl")
SEED = 404
EFFORT = "standard"
SETS = ("targets", "controls")
DETECTORS: list[DetectorParams] = [MagnitudeParams(), AttentionEntropyParams(), BrightEndingParams(), SharpnessParams()]
TOGETHER = 16
Row = dict[str, Any]


def calibrated(setting: Setting, detectors: list[DetectorParams]) -> dict[str, list[float]]:
    """By detector, its scores of the neutral prompts that its threshold rests on."""
    return {params.name: neutral_scores(setting, params) for params in detectors}


def measured(
    setting: Setting, name: str, items: list[Item], detectors: list[DetectorParams], neutral: dict[str, list[float]]
) -> Iterator[Row]:
    """A row an item that has a caption."""
    items = [item for item in items if item.prompt is not None]
    captions = [item.prompt or "" for item in items]
    flagged = {
        params.name: [said.flagged for said in compare(setting, captions, params, neutral[params.name])]
        for params in detectors
    }
    say(f"{name}: {len(detectors)} detectors on {len(items)} captions")
    for start in range(0, len(items), TOGETHER):
        part = items[start : start + TOGETHER]
        found = consensus(setting, {item.id: item.prompt or "" for item in part})
        for n, item in enumerate(part, start=start):
            by = [detector for detector, said in flagged.items() if said[n]]
            yield compared(setting, item, found[item.id], name, by)
    say(f"{name}: drawn")


def compared(setting: Setting, item: Item, found: Consensus, name: str, flagged_by: list[str]) -> Row:
    """One consensus against the image."""
    score = setting.score(found.picture[None], item)
    return {
        "table": "item",
        "set": name,
        "item": item.id,
        "flagged_by": flagged_by,
        "found": found.found,
        "support": found.support,
        "of": found.of,
        "agreement": found.agreement,
        "truth": score.similarity[0],
        "is_truth": bool(score.hits),
    }


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RAW)
    parser.add_argument("--only", type=int, help="so many of each set")
    parser.add_argument("--detectors", nargs="+", choices=[d.name for d in DETECTORS], help="by default all")
    asked = parser.parse_args(arguments)
    detectors = [params for params in DETECTORS if asked.detectors is None or params.name in asked.detectors]
    use_cores()
    setting, started = bundled.setting(SEED, EFFORT), time.time()
    neutral = calibrated(setting, detectors)
    rows = [
        row for name in SETS for row in measured(setting, name, bundled.items(name)[: asked.only], detectors, neutral)
    ]
    effort = {"images": setting.effort.images, "hits": setting.effort.hits}
    meta = standing.meta("make consensus", setting, seed=SEED, effort=effort, only=asked.only)
    cost = {"forwards": setting.model.work.forwards, "seconds": round(time.time() - started)}
    write(asked.out, [{**meta, **cost, "detectors": [params.name for params in detectors]}, *rows])


if __name__ == "__main__":
    main()
