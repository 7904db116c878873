"""Which prompts are memorized? Every detector on the bundled model: ``make detection``.

Positives are the captions of the bundled targets, negatives all other captions there are: of controls, of unseen images
(of both, half are as unique as the targets') and neutral ones. A caption is scored once however many images share it,
and is on one side only: a third of the negatives of either form calibrates thresholds, the rest evaluates. An image
has one caption and a glyph one role, so images are split with their captions. No positive is used before evaluation.

Beside the detectors stands what can be told from the captions alone. Raw rows go to docs/results/raw/detection.jsonl,
one a caption. What drawings agree on where there is no image, ``make consensus`` measures.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from palimpsest.contract.methods import AttentionEntropyParams, BrightEndingParams, MagnitudeParams, SharpnessParams
from worker.benchmarks import bundled, captions_alone, standing
from worker.benchmarks.running import use_cores
from worker.engine.detectors import attention_entropy, bright_ending, magnitude, sharpness
from worker.engine.setting import Setting

RAW = Path("docs/results/raw/detection.jsonl")
SEED = 303
IMAGES = 4
CALIBRATION = 3
"""One negative in so many calibrates."""
Scores = dict[str, list[float]]
Row = dict[str, Any]


def captions() -> list[Row]:
    """Every distinct caption with what it is; targets first, each set in its order."""
    listed: dict[str, Row] = {}
    for name in ("targets", "controls", "unseen"):
        for item in bundled.items(name):
            caption = item.prompt or ""
            row = {"caption": caption, "set": name, "unique": "limited edition" in caption}
            listed.setdefault(caption, row)
    for caption in bundled.registration().neutral:
        listed.setdefault(caption, {"caption": caption, "set": "neutral", "unique": False})
    return split(list(listed.values()))


def split(rows: list[Row]) -> list[Row]:
    """Every row with its part: of each form's negatives, in the order of their sha256, every third calibrates."""
    part = {row["caption"]: "evaluation" for row in rows}
    for unique in (True, False):
        mine = [row["caption"] for row in rows if row["set"] != "targets" and row["unique"] is unique]
        mine.sort(key=lambda caption: hashlib.sha256(caption.encode()).hexdigest())
        part |= dict.fromkeys(mine[::CALIBRATION], "calibration")
    return [{**row, "part": part[row["caption"]], "scores": {}} for row in rows]


def by_magnitude(setting: Setting, prompts: list[str]) -> Scores:
    """One trajectory gives three detectors: the first step, the first five, all of them."""
    parts = [magnitude.track(setting, block, MagnitudeParams(images=IMAGES)) for block in blocks_of(prompts)]
    tracked = torch.cat(parts)
    named = {"magnitude, first step": 1, "magnitude, five steps": 5, "magnitude": tracked.shape[2]}
    return {name: tracked[:, :, :steps].mean(dim=(1, 2)).tolist() for name, steps in named.items()}


def blocks_of(prompts: list[str]) -> Iterator[list[str]]:
    """Parts of 32."""
    for start in range(0, len(prompts), 32):
        yield prompts[start : start + 32]


def by_entropy(setting: Setting, prompts: list[str]) -> Scores:
    """Both metrics."""
    return {
        f"attention_entropy, {params.metric}": attention_entropy.score(setting, prompts, params).tolist()
        for params in (AttentionEntropyParams(metric="D"), AttentionEntropyParams(metric="E"))
    }


def by_bright_ending(setting: Setting, prompts: list[str]) -> Scores:
    """Masked magnitude."""
    return {"bright_ending": bright_ending.score(setting, prompts, BrightEndingParams(images=IMAGES)).tolist()}


def by_sharpness(setting: Setting, prompts: list[str]) -> Scores:
    """Curvature along the score."""
    return {"sharpness": sharpness.score(setting, prompts, SharpnessParams(images=IMAGES)).tolist()}


def by_captions(setting: Setting, prompts: list[str]) -> Scores:
    """The baseline; its labels are positions, for targets come first."""
    targets = len(bundled.items("targets"))
    memorized = torch.zeros(len(prompts))
    memorized[:targets] = 1
    tokens = setting.model.lengths(prompts).tolist()
    f = torch.tensor([captions_alone.features(*pair) for pair in zip(prompts, tokens, strict=True)])
    folds = [captions_alone.fold_of(prompt) for prompt in prompts]
    return {"captions alone": captions_alone.out_of_fold(f, memorized, folds)}


DETECTORS: list[Callable[[Setting, list[str]], Scores]] = [
    by_captions,
    by_magnitude,
    by_entropy,
    by_bright_ending,
    by_sharpness,
]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RAW)
    out: Path = parser.parse_args().out
    use_cores()
    setting, rows, started = bundled.setting(SEED), captions(), time.time()
    prompts = [row["caption"] for row in rows]
    costs: list[Row] = []
    for detector in DETECTORS:
        before, began = setting.model.work.forwards, time.time()
        for name, scores in detector(setting, prompts).items():
            for row, score in zip(rows, scores, strict=True):
                row["scores"][name] = round(score, 6)
        spent = {"forwards": setting.model.work.forwards - before, "seconds": round(time.time() - began, 1)}
        costs.append({"table": "cost", "what": detector.__name__.removeprefix("by_"), **spent})
        sys.stderr.write(f"[{time.time() - started:6.0f} s] {costs[-1]}\n")
    meta = standing.meta("make detection", setting, seed=SEED, images=IMAGES)
    written = [meta, *costs, *({"table": "caption", **row} for row in rows)]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in written))


if __name__ == "__main__":
    main()
