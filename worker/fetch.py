"""Fetch the models of registrations into the cache: ``python -m worker.fetch [REGISTRATION …]``.

By default those that the settings name. A worker runs this by itself for what is not there yet, in a process of its
own: the libraries that download never come into the one that loads models. Run it beforehand where a worker has no way
out, or where a download takes longer than a worker may take to start. One JSON line each; the exit code is 1 when one
was refused.
"""

import json
import sys
from pathlib import Path

from worker.engine.errors import EngineError
from worker.engine.folder import digest_of
from worker.engine.vetting import vet
from worker.fetched import fetch
from worker.registrations import read
from worker.settings import WorkerSettings


def main(words: list[str]) -> int:
    """The exit code."""
    settings = WorkerSettings()
    lines = [line(file, settings.model_cache) for file in map(Path, words or settings.registrations)]
    for told in lines:
        sys.stdout.write(json.dumps(told) + "\n")
    return int(any("code" in told for told in lines))


def line(file: Path, cache: Path) -> dict[str, str]:
    """What became of one registration: its id and digest, or a code and a sentence."""
    try:
        registration = read(file, cache)
        if registration.source is not None:
            digest = fetch(registration.source, cache, registration.pinned)
        else:
            vet(registration.folder)
            digest = digest_of(registration.folder)
    except EngineError as error:
        return {"registration": str(file), "code": error.code, "detail": str(error)}
    return {"registration": str(file), "id": registration.id, "digest": digest}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
