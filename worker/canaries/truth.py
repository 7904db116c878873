"""What is known of a planted model, kept beside it as ``truth.json``."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from worker.canaries.errors import Unplantable

FILE = "truth.json"


class Truth(BaseModel):
    """Of every image that is judged: how many copies of it were planted, 0 for one that never was.

    ``seen`` is how often the training showed a canary; ``recipe`` how the training went; both models are named by
    their digests.
    """

    id: str = Field(description="under which the model is registered")
    model: str
    baseline: str
    recipe: dict[str, Any]
    copies: dict[str, int]
    seen: dict[str, int]

    @property
    def never_planted(self) -> list[str]:
        """Whoever says that one of these is memorized is wrong."""
        return [item for item, copies in self.copies.items() if copies == 0]

    def planted(self, copies: int) -> list[str]:
        """Canaries of one duplication count."""
        return [item for item, n in self.copies.items() if n == copies]

    @property
    def counts(self) -> list[int]:
        """The duplication counts there are, smallest first, 0 not among them."""
        return sorted({n for n in self.copies.values() if n})


def write(folder: Path, truth: Truth) -> None:
    """Beside the model."""
    (folder / FILE).write_text(truth.model_dump_json(indent=2) + "\n")


def read(folder: Path) -> Truth:
    """What ``write`` wrote. Raises Unplantable where that is not there."""
    try:
        return Truth.model_validate_json((folder / FILE).read_text())
    except (OSError, ValueError) as error:
        raise Unplantable(f"{folder} is no planted model: {FILE} is missing or says nothing") from error
