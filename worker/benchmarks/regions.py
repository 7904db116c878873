"""How a region is judged on the bundled model, whose truth is known: ``make regions``.

The middle quarter of every picture is its region, judged as an audit judges it (docs/regions.md). No search is made:

* ``item``     what the caption draws, of every target and of 40 never-seen images: copies in the region and as a whole
* ``pasted``   a never-seen picture with a target's region in it, there or moved by a quarter, through the autoencoder
* ``fresh``    pictures of neutral prompts that no threshold was fixed on: how many exceed a target's

Raw rows go to docs/results/raw/regions.jsonl. ``--only N`` takes the first N of each set.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from palimpsest.contract.report import LocalJudge
from palimpsest.contract.request import Region
from worker.benchmarks import bundled, standing
from worker.benchmarks.running import say, use_cores, write
from worker.engine.edits import JOINT
from worker.engine.items import Item, Trial
from worker.engine.partial_copies import described, nearest
from worker.engine.regions import STEP, Box, Local, box
from worker.engine.setting import Setting
from worker.engine.thresholds import NEGATIVES, fixed

RAW = Path("docs/results/raw/regions.jsonl")
SEED, EFFORT, UNSEEN = 606, "quick", 40
MIDDLE = Region(x=0.25, y=0.25, width=0.5, height=0.5)
Row = dict[str, Any]


def measured(setting: Setting, sets: dict[str, list[Item]], region: Region) -> Iterator[Row]:
    """Every row; ``sets`` are targets and unseen."""
    listed = [item for items in sets.values() for item in items]
    judges = dict(zip((item.id for item in listed), fixed(setting, listed, region), strict=True))
    say("thresholds are fixed")
    for name, items in sets.items():
        yield from drawn(setting, name, items, judges, region)
        say(f"{name}: drawn")
    yield from pasted(setting, sets["targets"], sets["unseen"], judges, region)
    yield from fresh(setting, sets["targets"], judges, region)


def local(item: Item, judge: LocalJudge, region: Region) -> Item:
    """The item as it is judged in the region."""
    return replace(item, local=Local(region, judge.threshold, judge.tiled_l2_threshold))


def drawn(
    setting: Setting, name: str, items: list[Item], judges: dict[str, LocalJudge], region: Region
) -> Iterator[Row]:
    """What the caption draws of every item, by both scopes."""
    y = setting.model.encode_prompts([item.prompt or "" for item in items])
    trials = [Trial(item, JOINT, None) for item in items]
    answers = setting.draw(trials, y, images=setting.effort.images, purpose=("regions",))
    for item, pictures in zip(items, answers, strict=True):
        judge = judges[item.id]
        there, whole = setting.score(pictures, local(item, judge, region)), setting.score(pictures, item)
        yield {
            "table": "item",
            "set": name,
            "item": item.id,
            "threshold": judge.threshold,
            "has_power": judge.has_power,
            "region": setting.replicates(there),
            "region_hits": there.hits,
            "second_hits": there.second_hits,
            "whole": setting.replicates(whole),
            "whole_hits": whole.hits,
        }


def pasted(
    setting: Setting, targets: list[Item], others: list[Item], judges: dict[str, LocalJudge], region: Region
) -> Iterator[Row]:
    """A partial copy of every target, moved by a step along both axes in turn; its place in ``moved``."""
    for n, target in enumerate(targets):
        sign = [(0, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)][n % 5]
        picture = with_part(target.picture, others[n % len(others)].picture, region, sign)
        again = setting.model.decode(setting.model.encode_images(picture[None] * 2 - 1))
        judge = judges[target.id]
        there, whole = setting.score(again, local(target, judge, region)), setting.score(again, target)
        yield {
            "table": "pasted",
            "item": target.id,
            "moved": list(sign),
            "has_power": judge.has_power,
            "region": there.hits,
            "second": there.second_hits,
            "whole": whole.hits,
        }


def with_part(source: Tensor, other: Tensor, region: Region, sign: tuple[int, int]) -> Tensor:
    """``other`` with the region of ``source`` in it, moved by ``sign`` times a quarter of the region."""
    b = box(region, *source.shape[-2:])
    dx, dy = (round(s * STEP * side) for s, side in zip(sign, (b.right - b.left, b.bottom - b.top), strict=True))
    picture = other.clone()
    Box(b.left + dx, b.top + dy, b.right + dx, b.bottom + dy).of(picture).copy_(b.of(source))
    return picture


def fresh(setting: Setting, targets: list[Item], judges: dict[str, LocalJudge], region: Region) -> Iterator[Row]:
    """Of every target, how many pictures of other neutral prompts than the thresholds' exceed its own."""
    taken = set(setting.evenly(NEGATIVES))
    prompts = [prompt for prompt in setting.neutral if prompt not in taken][
        :: max(1, len(setting.neutral) // NEGATIVES)
    ]
    if not prompts:
        return
    y = setting.model.encode_prompts(prompts)
    seeds: list[tuple[str | int, ...]] = [("fresh", p) for p in range(len(prompts))]
    pictures = setting.pictures(seeds, y, captions=prompts).flatten(0, 1)
    b = box(region, *pictures.shape[-2:])
    seen = described(setting.descriptor, pictures, b)
    for target in targets:
        near = nearest(seen, setting.descriptor.describe(b.of(target.picture)[None])[0])
        k = int((near > judges[target.id].threshold).sum())
        yield {"table": "fresh", "item": target.id, "exceeding": k, "of": len(prompts)}


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RAW)
    parser.add_argument("--only", type=int, help="so many of each set")
    asked = parser.parse_args(arguments)
    use_cores()
    setting, started = bundled.setting(SEED, EFFORT), time.time()
    sets = {"targets": bundled.items("targets"), "unseen": bundled.items("unseen")[:UNSEEN]}
    with torch.no_grad():
        rows = list(measured(setting, {name: items[: asked.only] for name, items in sets.items()}, MIDDLE))
    meta = standing.meta(
        "make regions",
        setting,
        seed=SEED,
        effort={"images": setting.effort.images, "hits": setting.effort.hits},
        only=asked.only,
        region=MIDDLE.model_dump(),
        negatives=NEGATIVES,
    )
    cost = {"forwards": setting.model.work.forwards, "seconds": round(time.time() - started)}
    write(asked.out, [{**meta, **cost}, *rows])


if __name__ == "__main__":
    main()
