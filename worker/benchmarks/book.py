"""What a long measurement keeps of its finished parts, so that a run that was cut goes on where it was."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Book:
    """What has been measured so far, one file a part; a part that is there is not measured again."""

    folder: Path
    identity: str

    def part(self, *names: str) -> Path:
        """The file of one part of this very model and judge."""
        return self.folder / self.identity / ("_".join(names).replace(" ", "-").replace("%", "pc") + ".jsonl")

    def rows(self, *names: str) -> list[dict[str, Any]] | None:
        """Its rows, or None where it has not been measured."""
        path = self.part(*names)
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else None

    def keep(self, rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
        """All of its rows at once."""
        path = self.part(*names)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".part")
        temporary.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        temporary.rename(path)
        return rows
