"""``make scaling``: raw rows of everything that should grow with the workers, and of what should not with the targets.

    python -m api_tests.scaling.run [--raw F] [--only cores workers targets]

What is in the raw file already is not measured again. Units of the sleeping workers last as long as units of the real
engine did on average in the run with one worker.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from api_tests.results import UNDER_WAY, append, commit, meta, publish, read, say
from api_tests.scaling import cores, targets, workers

RAW = UNDER_WAY / "scaling.jsonl"
PARTS = ("cores", "workers", "targets")


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m api_tests.scaling.run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--raw", type=Path, default=RAW)
    parser.add_argument("--only", nargs="*", default=list(PARTS), choices=PARTS)
    asked = parser.parse_args()
    if not read(asked.raw):
        append(asked.raw, meta("make scaling"))
    if "cores" in asked.only:
        for count in left(asked.raw, "cores", (1, 2)):
            add(asked.raw, "cores", cores.measure(count))
    if "workers" in asked.only:
        sleeps = next(row["seconds_by_kind"] for row in read(asked.raw) if row["table"] == "cores")
        for count in left(asked.raw, "workers", workers.WORKERS):
            add(asked.raw, "workers", workers.measure(count, sleeps))
    if "targets" in asked.only and not any(row["table"] == "targets" for row in read(asked.raw)):
        for row in list(targets.measure()):
            add(asked.raw, "targets", row)
    if set(asked.only) == set(PARTS):
        publish(asked.raw)
    return 0


def left(raw: Path, table: str, counts: tuple[int, ...]) -> list[int]:
    """Numbers of workers that are not in the table yet."""
    there = {row["workers"] for row in read(raw) if row["table"] == table}
    return [count for count in counts if count not in there]


def add(raw: Path, table: str, row: dict[str, Any]) -> None:
    """Keep a row and tell it."""
    append(raw, {"table": table, "commit": commit(), **row})
    say(f"{table}: {row}")


if __name__ == "__main__":
    sys.exit(main())
