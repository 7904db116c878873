"""Fix both judges' thresholds on hard negatives, and measure what they recognize.

Negatives, each a pair that must not count as a copy:

* ``neighbour``  two glyphs of one subcategory
* ``twin``       the same glyph in the two styles
* ``generated``  what the bundled model draws for an image's own shared caption, against that image

Positives: the codec's reconstruction from clean and from noisy latents, and strong crops.

Neighbours, twins and positives come from pictures like those that are audited: targets, controls and unseen images
and the other style of each, none of which the descriptor has seen. (Among the other glyphs, pictures of people and
flags repeat one another to the pixel, which would call true copies false.)

The glyphs are split in two halves, a glyph's two styles in one, with about 2,600 negatives each. A threshold is the
lowest at which no more than one in a thousand of *either* half's negatives exceeds it: one half alone is not enough,
for how alike the two styles of a glyph are differs much from glyph to glyph. How much is in the card too: what either
half's own threshold lets through of the other (``crossed``). Positives fix nothing, so that recall is measured on all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from worker.demo.recipe import augment, codec, glyphs
from worker.demo.recipe.assemble import write_sums
from worker.demo.recipe.descriptor import reconstructions, strong
from worker.engine.model import DiffusionModel
from worker.engine.rates import rate
from worker.engine.scorers.sscd import Descriptor
from worker.engine.scorers.tiled_l2 import tiled_l2
from worker.engine.seeds import noise

Pairs = tuple[Tensor, Tensor]

FALSE_POSITIVES = 1e-3
PREVALENCE = 0.1
DRAWINGS = 2
SEED = 11


def halves(listed: list[glyphs.Glyph]) -> list[list[glyphs.Glyph]]:
    """By name."""
    names = sorted({g.name for g in listed})
    np.random.default_rng(SEED).shuffle(names)
    first = set(names[::2])
    return [[g for g in listed if g.name in first], [g for g in listed if g.name not in first]]


def paired(listed: list[glyphs.Glyph]) -> dict[str, list[tuple[int, int]]]:
    """Neighbours and twins, as places in the list."""
    both = list(combinations(enumerate(listed), 2))
    return {
        "neighbour": [(i, j) for (i, a), (j, b) in both if a.subcategory == b.subcategory and a.name != b.name],
        "twin": [(i, j) for (i, a), (j, b) in both if a.name == b.name],
    }


def draw(listed: list[glyphs.Glyph], model: DiffusionModel) -> Tensor:
    """The bundled model's pictures for every image's caption, as an audit would draw them."""
    y = model.encode_prompts([g.caption for g in listed]).repeat_interleave(DRAWINGS, dim=0)
    x_T = noise(model.latent_shape, [("calibrate", g.row, s) for g in listed for s in range(DRAWINGS)], SEED)
    return model.generate(x_T, y, steps=20, g=3.0)


def positives(pictures: Tensor, model: DiffusionModel) -> dict[str, tuple[Tensor, Tensor]]:
    """Copies by kind, each with its original."""
    generator = torch.Generator().manual_seed(SEED)
    vae, x = model.pipeline.vae, pictures * 2 - 1
    copies = {
        "reconstruction": reconstructions(vae, x, generator, 0.0),
        "noisy reconstruction": reconstructions(vae, x, generator, 0.6),
        "strong crop": strong(x, generator),
        "crop of a reconstruction": augment.place(
            reconstructions(vae, x, generator, 0.3), generator, scale=(0.8, 1.3), shift=0.1, turn=0.1
        ),
    }
    return {kind: ((copy.clamp(-1, 1) + 1) / 2, pictures) for kind, copy in copies.items()}


def similarities(f: Descriptor, pairs: dict[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """Cosine per pair, by kind."""
    return {kind: (f.describe(x) * f.describe(y)).sum(dim=1) for kind, (x, y) in pairs.items()}


def distances(pairs: dict[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """Tiled L2 per pair, by kind."""
    return {
        kind: torch.stack([tiled_l2(a[None], b)[0] for a, b in zip(x, y, strict=True)])
        for kind, (x, y) in pairs.items()
    }


def threshold(negatives: dict[str, Tensor]) -> float:
    """The lowest that at most one in a thousand negatives exceeds, all kinds together: the (k + 1)-th largest, up.

    k = ⌊n · 10⁻³⌋ of n
    """
    together = torch.cat(list(negatives.values()))
    k = int(len(together) * FALSE_POSITIVES)
    return round(float(together.sort(descending=True).values[k]) + 5e-5, 4)


def exceeding(bound: float, negatives: dict[str, Tensor]) -> dict[str, object]:
    """How many negatives do, all kinds together, with the interval."""
    together = torch.cat(list(negatives.values()))
    return rate(int((together > bound).sum()), len(together)).model_dump()


def joined(halves: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Both halves' scores, by kind."""
    return {kind: torch.cat([half[kind] for half in halves]) for kind in halves[0]}


def negated(distances: dict[str, Tensor]) -> dict[str, Tensor]:
    """Distances as similarities: large is close."""
    return {kind: -d for kind, d in distances.items()}


def auc(positive: Tensor, negative: Tensor) -> float:
    """P(positive > negative), ties counting half."""
    ordered = torch.cat([negative, positive]).argsort().argsort().double() + 1
    ranks = ordered[len(negative) :].sum() - len(positive) * (len(positive) + 1) / 2
    return float(ranks / (len(positive) * len(negative)))


def measured(bound: float, good: dict[str, Tensor], bad: dict[str, Tensor]) -> dict[str, object]:
    """What a judge does at its threshold."""
    recall = {k: rate(int((s > bound).sum()), len(s)).model_dump() for k, s in good.items()}
    false = {k: rate(int((s > bound).sum()), len(s)).model_dump() for k, s in bad.items()}
    all_good, all_bad = torch.cat(list(good.values())), torch.cat(list(bad.values()))
    hit, alarm = float((all_good > bound).float().mean()), float((all_bad > bound).float().mean())
    precision = PREVALENCE * hit / max(PREVALENCE * hit + (1 - PREVALENCE) * alarm, 1e-12)
    return {
        "auc": round(auc(all_good, all_bad), 5),
        "recall": recall,
        "false_positives": false,
        "precision": round(precision, 5),
        "prevalence": PREVALENCE,
    }


@dataclass(frozen=True)
class Half:
    """Both judges' scores of one half, by kind: the descriptor's similarities, tiled L2's distances negated."""

    good: dict[str, Tensor]
    bad: dict[str, Tensor]
    l2_good: dict[str, Tensor]
    l2_bad: dict[str, Tensor]


def scored(f: Descriptor, model: DiffusionModel, pictures: Tensor, alike: list[glyphs.Glyph], drawn: Pairs) -> Half:
    """Every pair of one half; ``drawn`` is what the model draws beside what it was asked for."""
    bad = {
        kind: (pictures[[i for i, _ in places]], pictures[[j for _, j in places]])
        for kind, places in paired(alike).items()
    }
    bad["generated"] = drawn
    good = positives(pictures, model)
    return Half(similarities(f, good), similarities(f, bad), negated(distances(good)), negated(distances(bad)))


def calibrate(cache: Path, demo: Path) -> None:
    """Write descriptor/card.json."""
    everything, pixels = glyphs.load(cache)
    file = demo / "descriptor" / "descriptor.torchscript.pt"
    f = Descriptor(torch.jit.load(str(file)).eval(), "", glyphs.SIDE, 0.0, FALSE_POSITIVES, 0.0)
    model = DiffusionModel.load(demo / "model")

    def pictures(listed: list[glyphs.Glyph]) -> Tensor:
        return (codec.to_tensor(pixels[[g.row for g in listed]]) + 1) / 2

    alike = halves([g for g in everything if g.role in ("target", "control", "unseen", "other-style")])
    shared = halves([g for g in everything if g.role == "calibration"])
    seen = [
        scored(f, model, pictures(mine), mine, (draw(own, model), pictures(own).repeat_interleave(DRAWINGS, dim=0)))
        for mine, own in zip(alike, shared, strict=True)
    ]
    own = [threshold(half.bad) for half in seen]
    bound, l2_bound = max(own), max(threshold(half.l2_bad) for half in seen)
    card = {
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "interface": "TorchScript, N×3×H×W in, N×128 of unit length out (SSCD's)",
        "side": glyphs.SIDE,
        "threshold": bound,
        "false_positive_bound": FALSE_POSITIVES,
        "tiled_l2_threshold": -l2_bound,
        "fixed_on": [{kind: len(s) for kind, s in half.bad.items()} for half in seen],
        "crossed": [exceeding(own[1 - h], seen[h].bad) for h in (0, 1)],
        "measured": measured(bound, joined([half.good for half in seen]), joined([half.bad for half in seen])),
        "tiled_l2_measured": measured(
            l2_bound, joined([half.l2_good for half in seen]), joined([half.l2_bad for half in seen])
        ),
    }
    (demo / "descriptor" / "card.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    print(json.dumps(card, indent=1))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".cache/demo"))
    parser.add_argument("--demo", type=Path, default=Path("worker/demo"))
    arguments = parser.parse_args()
    calibrate(arguments.cache, arguments.demo)
    write_sums(arguments.demo)


if __name__ == "__main__":
    main()
