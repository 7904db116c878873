"""The auditor audited: five models with canaries at known duplication counts: ``make planted``.

Each begins from the bundled weights and learns 24 pictures that no bundled training has seen, four at every count of 1,
4, 16, 64, 128 and 256, beside 1,500 ordinary ones. Then the canaries and 84 pictures that were never planted in it are
judged alike, by caption and by search, beside 40 controls.

A row of docs/results/raw/planted.jsonl is one image in one model. A run that was cut goes on where it was: models,
half-trained ones too, and finished batches are kept in .cache/results/planted.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from palimpsest.contract.methods import AdversarialEmbeddingParams, Params, PromptParams
from palimpsest.contract.report import Verdict
from worker.benchmarks import bundled, spare_images, standing
from worker.benchmarks.book import Book
from worker.benchmarks.running import say, use_cores, write
from worker.benchmarks.spare_images import Cast, Collection
from worker.canaries import folder, local, plant, truth, workbench
from worker.canaries.recipe import Planting
from worker.canaries.truth import Truth
from worker.engine.items import Item
from worker.engine.model import DiffusionModel
from worker.engine.records import ItemRecord, ProbeRecord
from worker.engine.setting import Setting
from worker.registrations import read as read_registration

RAW = Path("docs/results/raw/planted.jsonl")
KEPT = Path(".cache/results/planted")
SEED = 404
PROBES: list[Params] = [PromptParams(), AdversarialEmbeddingParams(id="search", starts=["gaussian"])]
PLANTING = Planting(steps=1600, batch_size=32, learning_rate=5e-4)
"""The rate is scaled to seven million weights, as in the recipe of the bundled model."""


def seed_of(m: int) -> int:
    """Of model m's training."""
    return SEED + m


def book() -> Book:
    """What was made of this very model, under this very judge, by this very planting."""
    who = [spare_images.COPIES, spare_images.EACH, spare_images.UNSEEN, spare_images.CONTROLS, spare_images.REGULAR]
    how = json.dumps([asdict(PLANTING), SEED, who]).encode()
    named = [bundled.model().digest, bundled.descriptor().digest, hashlib.sha256(how).hexdigest()]
    return Book(KEPT, "-".join(digest[:12] for digest in named))


def model_folder(kept: Book, m: int) -> Path:
    """Where model m is."""
    return kept.folder / kept.identity / f"model-{m}"


def planted(kept: Book, of: Collection, m: int) -> tuple[Setting, Cast, Truth]:
    """Model m: as an earlier run left it, or made now. Its surroundings, who is who, and the truth."""
    out, setting = model_folder(kept, m), bundled.setting(SEED)
    who = spare_images.cast(of, m, setting.descriptor, kept.folder / "pictures")
    if not (out / truth.FILE).exists():
        planting, began = replace(PLANTING, seed=seed_of(m)), time.monotonic()
        on = replace(setting, checkpoint=workbench.checkpoint(out, planting.steps))
        made = plant.plant(on, who.planted, spare_images.regular(of, setting.model, seed_of(m)), planting)
        folder.write(out, f"planted-{m}", setting, made, planting, who.sets)
        (out / workbench.CHECKPOINT).unlink(missing_ok=True)
        say(f"model {m}: planted in {time.monotonic() - began:.0f} s, loss {made.losses['denoising'][-1]:.3f}")
    return replace(setting, model=DiffusionModel.load(out / "model")), who, truth.read(out)


def items_of(kept: Book, m: int, kind: str, role: str) -> list[Item]:
    """A set of model m."""
    said = read_registration(model_folder(kept, m) / "registration.json")
    return workbench.items(said, kind, role, bundled.model().resolution)


def records(
    kept: Book,
    names: list[str],
    setting: Setting,
    targets: list[Item],
    controls: list[Item],
    probes: list[Params],
    mitigation: str | None = None,
) -> list[ProbeRecord]:
    """Every probe on the setting's model, batch by batch; those that an earlier run has measured are read."""
    found = []
    listed = [*targets, *controls]
    for n, start in enumerate(range(0, len(listed), local.BATCH)):
        part = listed[start : start + local.BATCH]
        was = kept.rows(*names, str(n))
        if was is None:
            mine, others = ([item for item in part if item.role == role] for role in ("target", "control"))
            [record] = local.measured(setting, mine, others, probes, mitigation)
            was = kept.keep([record.model_dump(mode="json")], *names, str(n))
            say(f"{' '.join(names)}: {start + len(part)} of {len(listed)}, {record.cost.seconds:.0f} s")
        found.append(ProbeRecord.model_validate(was[0]))
    return found


def judged(kept: Book, setting: Setting, m: int) -> tuple[list[Verdict], list[ProbeRecord]]:
    """Model m's verdicts on its suspects, and what they rest on."""
    targets, controls = items_of(kept, m, "suspects", "target"), items_of(kept, m, "controls", "control")
    found = records(kept, [f"model-{m}"], setting, targets, controls, PROBES)
    names = [target.id for target in targets], [control.id for control in controls]
    return local.judged(found, local.untouched(), names[0], names[1], PROBES), found


def answers(record: ItemRecord) -> dict[str, Any]:
    """What both probes showed of an item, as a row keeps it."""
    said: dict[str, Any] = {}
    for probe, answer in record.probes.items():
        if answer is not None:
            said[probe] = {
                "replicates": answer.replicates,
                "mean": answer.mean_score,
                "first_step": answer.first_step,
                "judges_disagree": answer.second_judge.disagrees,
            }
    return said


def rows_of(kept: Book, of: Collection, m: int) -> Iterator[dict[str, Any]]:
    """A row about model m, then one an image."""
    setting, who, known = planted(kept, of, m)
    verdicts, found = judged(kept, setting, m)
    captions = {s.id: s.prompt for listed in who.sets.values() for s in listed}
    shown = {(item.role, item.item_id): answers(item) for record in found for item in record.items}
    yield {
        "table": "model",
        "model": m,
        "digest": known.model,
        "recipe": known.recipe,
        "skipped": who.skipped,
        "forwards": sum(record.cost.unet_sample_forwards for record in found),
        "forwards_with_gradient": sum(record.cost.unet_sample_forwards_with_gradient for record in found),
        "seconds": round(sum(record.cost.seconds for record in found)),
    }
    for verdict in verdicts:
        name = verdict.target_id
        yield {
            "table": "image",
            "model": m,
            "item": name,
            "copies": known.copies[name],
            "seen": known.seen.get(name, 0),
            "unique": "limited edition" in captions[name],
            "verdict": verdict.verdict,
            "reasons": verdict.reasons,
            **shown["target", name],
        }
    for control in who.controls:
        yield {"table": "control", "model": m, "item": control.id, **shown["control", control.id]}


def meta() -> dict[str, Any]:
    """What these numbers stand on."""
    setting = bundled.setting(SEED)
    effort = {"images": setting.effort.images, "hits": setting.effort.hits, "looks": list(setting.effort.looks)}
    counts = {"copies": spare_images.COPIES, "each": spare_images.EACH, "regular": spare_images.REGULAR}
    return standing.meta("make planted", setting, effort=effort, seed=SEED, planting=asdict(PLANTING), **counts)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cache", type=Path, default=Path(".cache/demo"), help="the recipe's, for its glyphs")
    parser.add_argument("--models", type=int, default=spare_images.MODELS, choices=range(1, spare_images.MODELS + 1))
    asked = parser.parse_args()
    use_cores()
    kept, of = book(), spare_images.collection(asked.cache)
    write(RAW, [meta(), *(row for m in range(asked.models) for row in rows_of(kept, of, m))])


if __name__ == "__main__":
    main()
