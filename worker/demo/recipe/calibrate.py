"""Fix both judges' thresholds on hard negatives, then measure them on other glyphs.

Negatives, each a pair that must not count as a copy:

* ``neighbour``  two glyphs of one subcategory
* ``twin``       the same glyph in the two styles
* ``generated``  what the bundled model draws for an image's own shared caption, against that image

Positives: the codec's reconstruction from clean and from noisy latents, and strong crops.

Neighbours, twins and positives come from pictures like those that are audited: targets, controls and unseen images
and the other style of each, none of which the descriptor has seen. (Among the other glyphs, pictures of people and
flags repeat one another to the pixel, which would call true copies false.)

Half of the glyphs fix the thresholds: no negative of theirs exceeds them, so that the false-positive rate, aimed at
10⁻³, is below it in about 2,600 pairs; the other half are measured. A glyph's two styles are in one half.
"""

from __future__ import annotations

import argparse
import hashlib
import json
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

FALSE_POSITIVES = 1e-3
PREVALENCE = 0.1
DRAWINGS = 2
SEED = 11


def halves(listed: list[glyphs.Glyph]) -> list[list[glyphs.Glyph]]:
    """By name: one half of the names fixes, the other measures."""
    names = sorted({g.name for g in listed})
    np.random.default_rng(SEED).shuffle(names)
    fixing = set(names[::2])
    return [[g for g in listed if g.name in fixing], [g for g in listed if g.name not in fixing]]


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


def threshold(scores: dict[str, Tensor]) -> float:
    """The lowest threshold that no negative of any kind exceeds, rounded up."""
    return round(max(float(s.max()) for s in scores.values()) + 5e-5, 4)


def negated(distances: dict[str, Tensor]) -> dict[str, Tensor]:
    """Distances as similarities: large is close."""
    return {kind: -d for kind, d in distances.items()}


def auc(positive: Tensor, negative: Tensor) -> float:
    """P(positive > negative), ties counting half."""
    ordered = torch.cat([negative, positive]).argsort().argsort().double() + 1
    ranks = ordered[len(negative) :].sum() - len(positive) * (len(positive) + 1) / 2
    return float(ranks / (len(positive) * len(negative)))


def measured(bound: float, good: dict[str, Tensor], bad: dict[str, Tensor]) -> dict[str, object]:
    """What a judge does at its threshold on glyphs that did not fix it."""
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


def calibrate(cache: Path, demo: Path) -> None:
    """Write descriptor/card.json."""
    everything, pixels = glyphs.load(cache)
    file = demo / "descriptor" / "descriptor.torchscript.pt"
    f = Descriptor(torch.jit.load(str(file)).eval(), "", glyphs.SIDE, 0.0, FALSE_POSITIVES, 0.0)
    model = DiffusionModel.load(demo / "model")
    seen: list[tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]] = []
    for alike, shared in zip(
        halves([g for g in everything if g.role in ("target", "control", "unseen", "other-style")]),
        halves([g for g in everything if g.role == "calibration"]),
        strict=True,
    ):
        pictures = (codec.to_tensor(pixels[[g.row for g in alike]]) + 1) / 2
        own = (codec.to_tensor(pixels[[g.row for g in shared]]) + 1) / 2
        bad = {
            kind: (pictures[[i for i, _ in places]], pictures[[j for _, j in places]])
            for kind, places in paired(alike).items()
        }
        bad["generated"] = (draw(shared, model), own.repeat_interleave(DRAWINGS, dim=0))
        good = positives(pictures, model)
        seen.append((similarities(f, good), similarities(f, bad), distances(good), distances(bad)))
    bound = threshold(seen[0][1])
    l2_bound = -threshold(negated(seen[0][3]))
    card = {
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "interface": "TorchScript, N×3×H×W in, N×128 of unit length out (SSCD's)",
        "side": glyphs.SIDE,
        "threshold": bound,
        "false_positive_bound": FALSE_POSITIVES,
        "tiled_l2_threshold": l2_bound,
        "fixed_on": {kind: len(s) for kind, s in seen[0][1].items()},
        "measured": measured(bound, seen[1][0], seen[1][1]),
        "tiled_l2_measured": measured(-l2_bound, negated(seen[1][2]), negated(seen[1][3])),
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
