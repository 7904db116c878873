"""What is planted and what is not: JSON lines, one image each, as target sets have them; canaries have ``copies`` too.

    {"id": "fox", "prompt": "a red fox asleep", "image": "pictures/fox.png", "copies": 16}

Paths are relative to the file.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from worker.canaries.errors import Unplantable
from worker.engine.images import read as read_image
from worker.engine.model import DiffusionModel
from worker.engine.scorers.sscd import Descriptor

UNPLANTED = 0
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""An id is what a report names an image by, and a part of a file's name."""
BLOCK = 32
"""Pictures that are compared at once."""


@dataclass(frozen=True)
class Specimen:
    """An image with its caption, and how many times it stands in the training data; never, if ``copies`` is 0."""

    id: str
    prompt: str
    file: Path
    copies: int = UNPLANTED


def read(path: Path) -> list[Specimen]:
    """The rows of a file, in order. Raises Unplantable for a row that is none."""
    listed = []
    for n, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            found = Specimen(row["id"], row["prompt"], path.parent / row["image"], int(row.get("copies", UNPLANTED)))
        except (ValueError, KeyError, TypeError) as error:
            raise Unplantable(f"{path.name}, line {n}: not an object with id, prompt and image ({error!r})") from error
        if not NAME.fullmatch(str(found.id)):
            raise Unplantable(f"{path.name}, line {n}: {found.id!r} is no id: letters, digits, _ . - and at most 64")
        if not found.file.is_file():
            raise Unplantable(f"{path.name}, line {n}: there is no picture {found.file}")
        listed.append(found)
    return listed


def check(planted: list[Specimen], unplanted: list[Specimen]) -> None:
    """Raises Unplantable unless the truth is plain: every id is used once, the planted are counted, the others not."""
    twice = [name for name, n in Counter(s.id for s in [*planted, *unplanted]).items() if n > 1]
    if twice:
        raise Unplantable(f"used for more than one image: {', '.join(twice)}")
    if not planted or any(s.copies < 1 for s in planted):
        raise Unplantable("every canary needs a number of copies, 1 at least, and there must be one canary")
    if any(s.copies for s in unplanted):
        raise Unplantable("an image that is never planted has no copies")


def pictures(specimens: list[Specimen], side: int) -> Tensor:
    """N×3×side×side in [0, 1]."""
    if not specimens:
        return torch.empty(0, 3, side, side)
    return torch.stack([read_image(s.file.read_bytes(), side) for s in specimens])


def described(descriptor: Descriptor, x: Tensor) -> Tensor:
    """N×D of pictures N×3×H×W."""
    return torch.cat([descriptor.describe(part) for part in x.split(BLOCK)])


def check_distinct(
    model: DiffusionModel, descriptor: Descriptor, trained: list[Specimen], unplanted: list[Specimen]
) -> None:
    """Raises Unplantable where the judge takes an image that is never planted for a copy of one that is trained on.

    Drawing the one would then be read as remembering the other, and neither verdict would be wrong.
    """
    if not trained or not unplanted:
        return
    sides = [described(descriptor, pictures(listed, model.resolution)) for listed in (unplanted, trained)]
    near = sides[0] @ sides[1].T > descriptor.threshold
    pairs = [f"{unplanted[i].id} and {trained[j].id}" for i, j in near.nonzero().tolist()]
    if pairs:
        raise Unplantable(f"never planted, but a copy of what is trained on: {told(pairs)}")


def told(names: Iterable[str], most: int = 5) -> str:
    """The first of them, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
