"""Which models this worker offers: a JSON file for each model names its source, sampler, prompts and target sets."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from worker.engine.errors import SourceRefused
from worker.engine.folder import family_of
from worker.sources import MODEL, Source, place_of, source_in


@dataclass(frozen=True)
class SetRow:
    """One image of a target set and its caption."""

    id: str
    prompt: str
    file: Path

    @property
    def sha256(self) -> str:
        """Of the picture's file."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Registration:
    """What the file says; paths are relative to it.

    ``folder`` is where the model is, or will be once it is fetched from its ``source``. ``pinned`` is the digest it
    must have, where one is stated or was recorded.
    """

    file: Path
    id: str
    title: str
    folder: Path
    steps: int
    guidance: float
    sets: dict[str, str]
    set_files: dict[str, Path]
    source: Source | None = None
    pinned: str | None = None

    @property
    def family(self) -> str:
        """The model's family. Raises ModelRefused when the folder holds no model this engine can load."""
        return family_of(self.folder)

    @cached_property
    def neutral(self) -> list[str]:
        """Prompts of no target, for hold-out statistics and drift."""
        return [line for line in (self.file.parent / "neutral.txt").read_text().splitlines() if line]

    def rows(self, set_id: str) -> list[SetRow]:
        """A target set's rows, in order."""
        path = self.set_files[set_id]
        rows = [json.loads(line) for line in path.read_text().splitlines() if line]
        return [SetRow(row["id"], row["prompt"], path.parent / row["image"]) for row in rows]

    def row(self, set_id: str, row_id: str) -> SetRow:
        """One row by its id."""
        return next(row for row in self.rows(set_id) if row.id == row_id)


def read(file: Path, cache: Path | None = None) -> Registration:
    """One registration; ``cache`` is where models are that were fetched. Raises SourceRefused."""
    stated: dict[str, Any] = json.loads(file.read_text())
    source = source_in(stated)
    if not isinstance(source, str) and cache is None:
        raise SourceRefused(f"{file.name} names a model to be fetched, where only a folder will do")
    return Registration(
        file=file,
        id=stated["id"],
        title=stated["title"],
        folder=file.parent / source if isinstance(source, str) else place_of(source, cache or Path()) / MODEL,
        steps=stated["sampler"]["steps"],
        guidance=stated["sampler"]["guidance"],
        sets={entry["id"]: entry["title"] for entry in stated["target_sets"]},
        set_files={entry["id"]: file.parent / entry["rows"] for entry in stated["target_sets"]},
        source=None if isinstance(source, str) else source,
        pinned=stated.get("digest"),
    )


def served(named: list[str], registrations: list[Registration]) -> list[str]:
    """The families a worker serves: those that are named, or else those of its models."""
    return sorted(set(named) or {registration.family for registration in registrations})
