"""The two commands. Results go to standard output, progress and complaints to standard error."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_type_hints

import torch

from palimpsest.client import DEFAULT_URL, AuditClient
from palimpsest.errors import PalimpsestError, ProblemError, Unreachable
from worker import registrations
from worker.canaries import compare, folder, local, plant, remote, rows, truth
from worker.canaries.plant import Planting
from worker.canaries.rows import Specimen, Unplantable
from worker.canaries.truth import Truth
from worker.engine import own_draws
from worker.engine.errors import EngineError
from worker.engine.images import read as read_image
from worker.engine.items import Item
from worker.engine.model import DiffusionModel
from worker.engine.scorers.sscd import open_descriptor
from worker.engine.setting import EFFORTS, Checkpoint, Sampler, Setting
from worker.settings import WorkerSettings

DONE, FAILED, USAGE, UNREACHABLE = 0, 2, 4, 5
EVERY_THIRD = 3
"""Of the images that are never planted so many make one control; the others are judged as targets are."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; the exit code."""
    asked = parsed(arguments)
    perform: Callable[[argparse.Namespace], None] = asked.perform
    torch.set_num_threads(asked.threads)
    torch.set_flush_denormal(True)
    try:
        perform(asked)
    except (Unplantable, EngineError, PalimpsestError, OSError) as error:
        say(str(error))
        return exit_code(error)
    return DONE


def exit_code(error: Exception) -> int:
    """As ``palimpsest`` has them."""
    if isinstance(error, Unreachable):
        return UNREACHABLE
    refused = isinstance(error, ProblemError) and error.problem.status < 500
    return USAGE if refused or isinstance(error, Unplantable | OSError) else FAILED


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m worker.canaries", description="Audit the auditor.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _planting(commands.add_parser("plant", help="make a model that remembers images of yours"))
    _auditing(commands.add_parser("audit", help="audit planted models and compare the verdicts with the truth"))
    return parser.parse_args(arguments)


def _planting(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(perform=plant_asked)
    parser.add_argument("--model", type=Path, required=True, help="registration of the model to plant in")
    parser.add_argument("--canaries", type=Path, required=True, help="JSON lines: id, prompt, image, copies")
    parser.add_argument("--unseen", type=Path, required=True, help="JSON lines: images that are not to be planted")
    parser.add_argument(
        "--regular", type=Path, help="JSON lines: what is trained on beside; else the model's own draws"
    )
    parser.add_argument("--own-draws", type=int, default=1000, help="how many, where --regular is not given")
    parser.add_argument("--id", required=True, help="under which the planted model is registered")
    parser.add_argument("--out", type=Path, required=True, help="folder to write; an unfinished one is gone on with")
    for each in fields(Planting):
        kind = get_type_hints(Planting)[each.name]
        parser.add_argument(f"--{each.name.replace('_', '-')}", type=kind, default=each.default)
    _shared(parser)


def _auditing(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(perform=audit_asked)
    parser.add_argument("folders", type=Path, nargs="+", help="what plant has written, one folder a model")
    parser.add_argument("--local", action="store_true", help="measure here instead of asking a service")
    parser.add_argument("--url", default=os.environ.get("PALIMPSEST_URL", DEFAULT_URL))
    parser.add_argument("--api-key", default=os.environ.get("PALIMPSEST_API_KEY"))
    parser.add_argument("--effort", choices=sorted(EFFORTS), default="standard")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="write verdicts and comparison there, as JSON")
    _shared(parser)


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))


def plant_asked(asked: argparse.Namespace) -> None:
    """Read, check, train, write."""
    if (asked.out / truth.FILE).exists():
        raise Unplantable(f"{asked.out} holds a planted model already")
    planting = Planting(**{each.name: getattr(asked, each.name) for each in fields(Planting)})
    if asked.own_draws < 1 or planting.steps < 1 or planting.batch_size < 1:
        raise Unplantable("--own-draws, --steps and --batch-size are 1 at least")
    canaries, unplanted = rows.read(asked.canaries), rows.read(asked.unseen)
    rows.check(canaries, unplanted)
    listed = rows.read(asked.regular) if asked.regular else []
    setting = setting_of(asked.model, "quick", planting.seed, checkpoint(asked.out, planting.steps))
    rows.check_distinct(setting.model, setting.descriptor, [*canaries, *listed], unplanted)
    regular = plant.regular_of(setting.model, listed) if listed else own_draws.regular(setting, asked.own_draws)
    planted = plant.plant(setting, canaries, regular, planting)
    known = folder.write(asked.out, asked.id, setting, planted, planting, parted(canaries, unplanted))
    (asked.out / CHECKPOINT).unlink(missing_ok=True)
    tell([f"{asked.out / 'registration.json'}: {len(planted.seen)} canaries, model {known.model[:16]}"])


def parted(canaries: list[Specimen], unplanted: list[Specimen]) -> dict[str, list[Specimen]]:
    """The sets of a registration."""
    controls = unplanted[EVERY_THIRD - 1 :: EVERY_THIRD]
    return {"planted": canaries, "unseen": [s for s in unplanted if s not in controls], "controls": controls}


CHECKPOINT = "training.safetensors"


def checkpoint(out: Path, steps: int) -> Checkpoint:
    """Kept in the folder that is being made, every hundred steps."""
    path, began = out / CHECKPOINT, time.monotonic()

    def save(content: bytes) -> None:
        out.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".part")
        temporary.write_bytes(content)
        temporary.replace(path)

    def on_step(step: int, of: int) -> None:
        if step % max(1, steps // 20) == 0:
            say(f"step {step} of {of}, {time.monotonic() - began:.0f} s")

    return Checkpoint(lambda: path.read_bytes() if path.exists() else None, save, on_step, every=100)


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


def audit_asked(asked: argparse.Namespace) -> None:
    """Every model, then all of them against their truths."""
    known = [truth.read(path) for path in asked.folders]
    judge = locally if asked.local else over_http
    said = [judge(asked, path, of) for path, of in zip(asked.folders, known, strict=True)]
    found = compare.compare(list(zip(known, said, strict=True)))
    tell(compare.lines(found))
    if asked.output:
        verdicts = {of.id: dict(words) for of, words in zip(known, said, strict=True)}
        asked.output.write_text(json.dumps({"comparison": asdict(found), "verdicts": verdicts}, indent=2) + "\n")


def over_http(asked: argparse.Namespace, _: Path, known: Truth) -> compare.Words:
    """By the service; it must offer the model."""
    say(f"{known.id}: asking {asked.url}")
    with AuditClient(asked.url, api_key=asked.api_key) as client:
        return remote.words(remote.audited(client, known, effort=asked.effort, seed=asked.seed))


def locally(asked: argparse.Namespace, path: Path, known: Truth) -> compare.Words:
    """In this process, by caption and search as the request's defaults have them."""
    say(f"{known.id}: measuring {len(known.copies)} images and their controls")
    setting = setting_of(path / "registration.json", asked.effort, asked.seed)
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


def tell(lines: list[str]) -> None:
    """The result."""
    sys.stdout.write("".join(line + "\n" for line in lines))


def say(sentence: str) -> None:
    """To whoever waits."""
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()
