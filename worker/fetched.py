"""Models that were fetched: once, into a folder of their own, from then on read from there and from nowhere else.

    <cache>/huggingface-4f…/model/         the model
    <cache>/huggingface-4f…/fetched.json   its source, digest and the sha256 of every file
    <cache>/huggingface-4f….new/           what is being downloaded, vetted and read; renamed when it is whole
    <cache>/huggingface-4f….lock           held by the kernel for whoever downloads, and so free when it dies

Whoever looks finds the model whole or not at all, whatever was killed meanwhile; what a dead process left under
``.new`` is removed by the next that fetches it.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from worker import bucket, hub
from worker.engine.errors import ModelChanged
from worker.engine.folder import digest_of_files, files_of
from worker.engine.vetting import vet
from worker.sources import MODEL, S3, Source, place_of, said

RECORD = "fetched.json"


def recorded(source: Source, cache: Path) -> str | None:
    """The digest of what was fetched from a source; None before."""
    try:
        told: dict[str, Any] = json.loads((place_of(source, cache) / RECORD).read_text())
    except FileNotFoundError:
        return None
    return str(told["digest"])


def fetch(source: Source, cache: Path, stated: str | None = None) -> str:
    """The digest of what the source holds, which is in the cache afterwards.

    Raises ModelRefused, SourceUnreachable, and ModelChanged when the digest is not the one that is ``stated``; then
    nothing is kept.
    """
    place = place_of(source, cache)
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(place.with_name(f"{place.name}.lock")):
        return recorded(source, cache) or _fetched(source, place, stated)


def _fetched(source: Source, place: Path, stated: str | None) -> str:
    fresh = place.with_name(f"{place.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / MODEL).mkdir(parents=True)
    try:
        if isinstance(source, S3):
            bucket.download(source, fresh / MODEL)
        else:
            hub.download(source, fresh / MODEL)
        vet(fresh / MODEL)
        files = files_of(fresh / MODEL)
        digest = digest_of_files(files)
        if stated not in (None, digest):
            raise ModelChanged("the source holds another model than the registration's digest says")
        (fresh / RECORD).write_text(json.dumps({"source": said(source), "digest": digest, "files": files}, indent=2))
        _make_durable(fresh)
        fresh.rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return digest


def _make_durable(folder: Path) -> None:
    """What is in a folder reaches the disk, before the name it is found by does."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
