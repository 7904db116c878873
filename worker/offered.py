"""The models a worker can offer: those of its registrations whose folder is here, or was fetched now, and may be read.

One that is refused for what it is, which every worker would refuse, is left out and said in the log; the others are
offered. One that cannot be fetched here, or is here another than it should be, is another worker's to offer: beside it
this one would fail units of that model, and so it does not start.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import structlog

from worker.engine import errors
from worker.engine.errors import ModelChanged, ModelRefused, SourceRefused, SourceUnreachable
from worker.engine.vetting import vet
from worker.fetched import recorded
from worker.registrations import Registration, read
from worker.settings import WorkerSettings

log = structlog.get_logger()

FROM_ELSEWHERE = (ModelRefused, SourceRefused, SourceUnreachable, ModelChanged)
KINDS = {
    kind.code: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FROM_ELSEWHERE)
}
"""What a fetch is refused by, which another process says by its code."""


def offered(settings: WorkerSettings) -> list[Registration]:
    """In the settings' order.

    Raises SourceRefused, SourceUnreachable, ModelChanged, and ModelRefused when none is left.
    """
    found, refusals = [], []
    for file in settings.registrations:
        try:
            found.append(at_hand(file, settings.model_cache))
        except ModelRefused as error:
            log.error("model.refused", registration=str(file), code=error.code, detail=str(error))
            refusals.append(error)
    if refusals and not found:
        raise refusals[0]
    return found


def at_hand(file: Path, cache: Path) -> Registration:
    """One registration, with its model on this machine. Raises what FROM_ELSEWHERE has."""
    registration = read(file, cache)
    if registration.source is not None:
        if recorded(registration.source, cache) is None:
            fetch_apart(file)
        registration = replace(registration, pinned=registration.pinned or recorded(registration.source, cache))
    vet(registration.folder)
    return registration


def fetch_apart(file: Path) -> None:
    """Fetch in another process, which finds the same settings. Raises what it was refused by."""
    done = subprocess.run(  # noqa: S603  our own module, a file that the settings name
        [sys.executable, "-m", "worker.fetch", str(file)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return
    lines = done.stdout.splitlines()
    if not lines:
        raise SourceUnreachable(f"whoever fetches {file.name} came to an end with {done.returncode}")
    told = json.loads(lines[-1])
    raise KINDS[told["code"]](told["detail"])
