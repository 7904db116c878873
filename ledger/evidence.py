"""Blobs by content digest, beside the database: images, mitigation artifacts, found embeddings, reports.

A blob is written before the row that names it and is verified on every read. Writing one twice is writing it once,
and mends it if it was damaged meanwhile.
"""

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

from ledger.errors import EvidenceCorrupt, EvidenceMissing

_TENANT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Kept:
    """A blob that is in the store, and what it is of its unit."""

    name: str
    kind: str
    digest: str
    media_type: str
    size: int


class EvidenceStore:
    """A local folder: ``tenant/ab/abcdef…``."""

    def __init__(self, url: str) -> None:
        parsed = urlparse(url)
        if parsed.scheme != "file":
            raise ValueError(f"evidence is kept under a file:// URL, not {parsed.scheme or url!r}")
        self.root = Path(unquote(parsed.netloc + parsed.path))

    def put(self, tenant: str, content: bytes, *, name: str, kind: str, media_type: str) -> Kept:
        """Keep the bytes durably: temporary file, fsync, rename, fsync of the folders."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(tenant, digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, content)
        for folder in (path.parent, path.parent.parent, self.root):
            _sync(folder)
        return Kept(name, kind, digest, media_type, len(content))

    def get(self, tenant: str, digest: str) -> bytes:
        """The bytes kept under ``digest``. Raises EvidenceMissing or EvidenceCorrupt."""
        try:
            content = self._path(tenant, digest).read_bytes()
        except FileNotFoundError:
            raise EvidenceMissing(f"no blob {digest}") from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise EvidenceCorrupt(f"the blob {digest} has changed")
        return content

    def _path(self, tenant: str, digest: str) -> Path:
        if not _TENANT.fullmatch(tenant):
            raise ValueError(f"{tenant!r} cannot name a tenant's folder")
        if not _DIGEST.fullmatch(digest):
            raise EvidenceMissing(f"{digest!r} is not a sha256 digest")
        return self.root / tenant / digest[:2] / digest


def _write(path: Path, content: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="new-") as folder:
        fresh = Path(folder) / path.name
        with fresh.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
