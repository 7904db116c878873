"""The models a worker can offer: those of its registrations whose folder is here, or was fetched now, and may be read.

One that is refused or cannot be reached is left out and said in the log; the others are offered. A worker that has none
left does not start.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import structlog

from worker.engine import errors
from worker.engine.errors import EngineError, ModelRefused, SourceUnreachable
from worker.engine.vetting import vet
from worker.fetched import recorded
from worker.registrations import Registration, read
from worker.settings import WorkerSettings

log = structlog.get_logger()

KINDS = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, (ModelRefused, SourceUnreachable, errors.ModelChanged))
}
"""What another process says by its code."""


def offered(settings: WorkerSettings) -> list[Registration]:
    """In the settings' order. Raises the first refusal when no model is left."""
    found, refusals = [], []
    for file in settings.registrations:
        try:
            found.append(at_hand(file, settings.model_cache))
        except EngineError as error:
            log.error("model.refused", registration=str(file), code=error.code, detail=str(error))
            refusals.append(error)
    if refusals and not found:
        raise refusals[0]
    return found


def at_hand(file: Path, cache: Path) -> Registration:
    """One registration, with its model on this machine. Raises ModelRefused, ModelChanged or SourceUnreachable."""
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
    raise KINDS.get(told["code"], ModelRefused)(told["detail"])
