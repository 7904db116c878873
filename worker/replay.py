"""Replay a recovery by one generation: no search, no queue, no service.

    python -m worker.replay --model FOLDER --embedding F --reference PNG [--edit F] [--output PNG]

F is an embedding that an audit kept (``palimpsest replay`` fetches it, and the edit it was found under). It says by
which noise and sampler its pictures were drawn; the nearest of them is drawn again and compared with the reference
picture: its similarity must be the recorded one, up to ``worker.engine.recovery.TOLERANCE``.

Ends with 0 when it is, 1 when it is not, 2 when the model, the edit or the judge are not those of the recovery.
"""

import argparse
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor

from palimpsest.contract.request import Region
from worker.engine import images, recovery
from worker.engine.catalogue import loads
from worker.engine.conditioning import Conditioning
from worker.engine.edits import Edit
from worker.engine.errors import EngineError
from worker.engine.items import Item
from worker.engine.model import DiffusionModel
from worker.engine.recovery import TOLERANCE, Recovery
from worker.engine.regions import Local
from worker.engine.scorers.sscd import open_descriptor
from worker.engine.setting import EFFORTS, Sampler, Setting
from worker.settings import WorkerSettings

SAME, ANOTHER, REFUSED = 0, 1, 2


@dataclass(frozen=True)
class Replayed:
    """``pictures`` S×3×H×W, their similarities to the reference now and as they are recorded, and the threshold."""

    which: list[int]
    pictures: Tensor
    found: list[float]
    recorded: list[float]
    threshold: float
    region: Region | None = None

    @property
    def same(self) -> bool:
        """Whether every similarity is the recorded one."""
        return all(abs(now - then) <= TOLERANCE for now, then in zip(self.found, self.recorded, strict=True))

    def lines(self) -> list[str]:
        """A sentence for every picture."""
        return [self._line(*seen) for seen in zip(self.which, self.found, self.recorded, strict=True)]

    def _line(self, s: int, now: float, then: float) -> str:
        copied = "a copy" if now > self.threshold else "no copy"
        where = " in its region" if self.region else ""
        agrees = "the same" if abs(now - then) <= TOLERANCE else "NOT THE SAME"
        seen = f"similarity {now:.5f}{where} ({copied}, threshold {self.threshold:g})"
        return f"picture {s}: {seen}, recorded {then:.5f}: {agrees}"


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    asked = parser().parse_args(arguments)
    try:
        replayed = replay(
            model=asked.model,
            embedding=asked.embedding.read_bytes(),
            edit=None if asked.edit is None else asked.edit.read_bytes(),
            references=[file.read_bytes() for file in asked.reference],
            descriptor=asked.descriptor,
            all_of_them=asked.all,
        )
    except (EngineError, OSError, Mismatch) as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    asked.output.write_bytes(images.png(images.strip(replayed.pictures)))
    sys.stdout.write("\n".join([*replayed.lines(), f"drawn to {asked.output}"]) + "\n")
    return SAME if replayed.same else ANOTHER


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="python -m worker.replay", description="Replay a recovery by one generation."
    )
    options.add_argument("--model", type=Path, required=True, help="the folder of the model it was found on")
    options.add_argument("--embedding", type=Path, required=True, help="the file that the audit kept")
    options.add_argument("--edit", type=Path, help="the mitigation's file that the audit kept, if there was one")
    options.add_argument("--reference", type=Path, nargs="+", required=True, help="the item's image, or all of them")
    options.add_argument("--descriptor", type=Path, default=WorkerSettings().descriptor, help="the judge's card")
    options.add_argument("--all", action="store_true", help="draw every evaluation picture, not only the nearest")
    options.add_argument("--output", type=Path, default=Path("replay.png"), help="where the pictures go, side by side")
    return options


class Mismatch(Exception):
    """What was given is not what the recovery was made with."""


def replay(
    *,
    model: Path,
    embedding: bytes,
    edit: bytes | None,
    references: list[bytes],
    descriptor: Path,
    all_of_them: bool = False,
) -> Replayed:
    """Draw and compare. Raises Mismatch, and EngineError for what cannot be read."""
    try:
        y, said = recovery.loads(embedding)
    except (KeyError, ValueError, SafetensorError) as error:
        raise Mismatch("the embedding's file does not say what its pictures were drawn from") from error
    which = list(range(len(said.scores))) if all_of_them else [said.nearest]
    setting = surroundings(said, model, descriptor)
    first, *others = [images.read(content, setting.model.resolution) for content in references]
    pictures = recovery.draw(setting, y, said, edit_of(said, edit), which)
    local = None if said.region is None else Local(said.region, said.threshold, setting.descriptor.tiled_l2_threshold)
    score = setting.score(pictures, Item(said.item, "target", said.text, first, tuple(others), local))
    return Replayed(which, pictures, score.similarity, [said.scores[s] for s in which], said.threshold, said.region)


def edit_of(said: Recovery, content: bytes | None) -> Edit | Conditioning | None:
    """What the mitigation changed, if the recovery was found under one."""
    if said.edit is None:
        if content is not None:
            raise Mismatch("the recovery was found on the model as it is: leave --edit out")
        return None
    same("the edit", said.edit, None if content is None else hashlib.sha256(content).hexdigest())
    return loads(content or b"")


def surroundings(said: Recovery, folder: Path, card: Path) -> Setting:
    """The very model and judge, and the audit's sampler and seed."""
    model, descriptor = DiffusionModel.load(folder), open_descriptor(card)
    same("the model", said.model, model.digest)
    same("the descriptor", said.judge, descriptor.digest)
    return Setting(model, descriptor, Sampler(said.steps, said.guidance), EFFORTS["quick"], said.seed, neutral=[])


def same(what: str, wanted: str, given: str | None) -> None:
    """Raises Mismatch where another digest was given than the recovery's."""
    if wanted != given:
        raise Mismatch(f"{what} of the recovery has digest {wanted}, what was given {given or 'is nothing'}")


if __name__ == "__main__":
    sys.exit(main())
