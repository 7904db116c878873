"""``python -m worker.export --delta F --model FOLDER --output FOLDER``: the mitigated model, as any loader takes it.

F is what ``palimpsest mitigations export`` has written, FOLDER the model that was audited. Nothing is written where the
delta belongs to another model, by the digest it names.
"""

import argparse
import sys
from pathlib import Path

from worker.engine import export
from worker.engine.errors import EngineError, ModelChanged
from worker.engine.model import DiffusionModel


def written(delta: Path, model: Path, output: Path) -> None:
    """Write W + Δ into ``output``, a new or empty folder. Raises EngineError or OSError."""
    edit, baseline = export.read(delta.read_bytes())
    if output.exists() and any(output.iterdir()):
        raise FileExistsError(f"{output} is not empty")
    loaded = DiffusionModel.load(model)
    if loaded.digest != baseline:
        raise ModelChanged(f"the delta belongs to the model {baseline[:12]}…, {model} holds {loaded.digest[:12]}…")
    export.checkpoint(loaded, edit, output)


def main(words: list[str] | None = None) -> int:
    """Entry point; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m worker.export", description=__doc__)
    parser.add_argument("--delta", type=Path, required=True, help="what palimpsest mitigations export has written")
    parser.add_argument("--model", type=Path, required=True, help="the folder of the model that was audited")
    parser.add_argument("--output", type=Path, required=True, help="a new or empty folder")
    asked = parser.parse_args(words)
    try:
        written(asked.delta, asked.model, asked.output)
    except (EngineError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
