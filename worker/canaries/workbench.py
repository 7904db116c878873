"""What the commands do where there is torch: plant, and measure in this process."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from worker import registrations
from worker.canaries import folder, local, plant, rows, truth
from worker.canaries.compare import Words
from worker.canaries.errors import Unplantable
from worker.canaries.recipe import Planting
from worker.canaries.rows import Specimen
from worker.canaries.truth import Truth
from worker.engine import own_draws
from worker.engine.images import read as read_image
from worker.engine.items import Item
from worker.engine.model import DiffusionModel
from worker.engine.scorers.sscd import open_descriptor
from worker.engine.setting import EFFORTS, Checkpoint, Sampler, Setting
from worker.settings import WorkerSettings

EVERY_THIRD = 3
"""Of the images that are never planted so many make one control; the others are judged as targets are."""
CHECKPOINT = "training.safetensors"
KEPT_EVERY = 100
"""Steps."""


@dataclass(frozen=True)
class Wish:
    """What is to be planted where: registration of the model, files of rows, the new model's id and folder."""

    model: Path
    canaries: Path
    unseen: Path
    regular: Path | None
    own_draws: int
    id: str
    out: Path


def use(threads: int) -> None:
    """As a worker sets torch up."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)


def planted(asked: Wish, planting: Planting) -> Truth:
    """Read, check, train, write. Raises Unplantable, and EngineError for a training that failed."""
    if (asked.out / truth.FILE).exists():
        raise Unplantable(f"{asked.out} holds a planted model already")
    if asked.own_draws < 1 or planting.steps < 1 or planting.batch_size < 1:
        raise Unplantable("--own-draws, --steps and --batch-size are 1 at least")
    canaries, unplanted = rows.read(asked.canaries), rows.read(asked.unseen)
    rows.check(canaries, unplanted)
    listed = rows.read(asked.regular) if asked.regular else []
    setting = setting_of(asked.model, "quick", planting.seed, checkpoint(asked.out, planting.steps))
    rows.check_distinct(setting.model, setting.descriptor, [*canaries, *listed], unplanted)
    regular = plant.regular_of(setting.model, listed) if listed else own_draws.regular(setting, asked.own_draws)
    made = plant.plant(setting, canaries, regular, planting)
    known = folder.write(asked.out, asked.id, setting, made, planting, parted(canaries, unplanted))
    (asked.out / CHECKPOINT).unlink(missing_ok=True)
    return known


def parted(canaries: list[Specimen], unplanted: list[Specimen]) -> dict[str, list[Specimen]]:
    """The sets of a registration."""
    controls = unplanted[EVERY_THIRD - 1 :: EVERY_THIRD]
    return {"planted": canaries, "unseen": [s for s in unplanted if s not in controls], "controls": controls}


def checkpoint(out: Path, steps: int) -> Checkpoint:
    """Kept in the folder that is being made; that of another training there is left alone, and then replaced."""
    path, began = out / CHECKPOINT, time.monotonic()

    def save(content: bytes) -> None:
        out.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".part")
        temporary.write_bytes(content)
        temporary.replace(path)

    def on_step(step: int, of: int) -> None:
        if step % max(1, steps // 20) == 0:
            say(f"step {step} of {of}, {time.monotonic() - began:.0f} s")

    return Checkpoint(
        load=lambda: path.read_bytes() if path.exists() else None,
        save=save,
        due=lambda step: step % KEPT_EVERY == 0,
        on_step=on_step,
    )


def setting_of(registration: Path, effort: str, seed: int, kept: Checkpoint | None = None) -> Setting:
    """A registered model's surroundings, with the judge a worker would use."""
    said = registrations.read(registration)
    return Setting(
        model=DiffusionModel.load(said.folder),
        descriptor=open_descriptor(WorkerSettings().descriptor),
        sampler=Sampler(said.steps, said.guidance),
        effort=EFFORTS[effort],
        seed=seed,
        neutral=said.neutral,
        checkpoint=kept,
    )


def measured(path: Path, known: Truth, *, effort: str, seed: int) -> Words:
    """Verdicts by caption and search, as the request's defaults have them. Raises Unplantable for another model."""
    setting = setting_of(path / "registration.json", effort, seed)
    if setting.model.digest != known.model:
        raise Unplantable(f"{path / 'model'} is not the model of {truth.FILE}: its files have changed")
    said = registrations.read(path / "registration.json")
    targets = items(said, "suspects", "target", setting.model.resolution)
    controls = items(said, "controls", "control", setting.model.resolution)
    judged = local.audited(setting, targets, controls, local.default_probes())
    return {verdict.target_id: verdict.verdict for verdict in judged}


def items(said: registrations.Registration, kind: str, role: Any, side: int) -> list[Item]:
    """A registered set as the engine takes it."""
    listed = said.rows(f"{said.id}:{kind}")
    return [Item(row.id, role, row.prompt, read_image(row.file.read_bytes(), side)) for row in listed]


def say(sentence: str) -> None:
    """To whoever waits."""
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()
