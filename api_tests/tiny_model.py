"""The tiny model of the worker's tests, written to a folder by a process of its own: nobody here loads torch."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api_tests.stack import ROOT

WRITE = "from pathlib import Path; from worker.tests import tiny; import sys; tiny.write(Path(sys.argv[1]))"


def write(folder: Path) -> None:
    """Model, descriptor, registration and sets; another time its digests are others."""
    subprocess.run([sys.executable, "-c", WRITE, str(folder)], check=True, cwd=ROOT, capture_output=True)


@contextmanager
def written() -> Iterator[Path]:
    """The folder, while it is needed."""
    with tempfile.TemporaryDirectory(prefix="palimpsest-tiny-") as folder:
        write(Path(folder) / "tiny")
        yield Path(folder) / "tiny"


def environment(folder: Path) -> dict[str, str]:
    """What makes a worker offer it."""
    return {
        "PALIMPSEST_REGISTRATIONS": json.dumps([str(folder / "registration.json")]),
        "PALIMPSEST_DESCRIPTOR": str(folder / "descriptor" / "card.json"),
        "PALIMPSEST_THREADS": "1",
    }
