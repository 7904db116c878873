"""Blobs by content digest, beside the database: images, mitigation artifacts, found embeddings, reports.

A blob is written before the row that names it and is verified on every read. Writing one twice is writing it once,
and mends it if it was damaged meanwhile.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ledger.blobs import blobs_at
from ledger.errors import EvidenceCorrupt, EvidenceMissing

_TENANT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")

BLOCK_BYTES = 2**20
"""Of a blob that is read block by block."""

PREFIXES = [f"{number:02x}" for number in range(256)]
"""The beginnings of digests by which a tenant's blobs are filed."""


@dataclass(frozen=True)
class Kept:
    """A blob that is in the store, and what it is of its unit."""

    name: str
    kind: str
    digest: str
    media_type: str
    size: int


class EvidenceStore:
    """``tenant/ab/abcdef…`` in a local folder or an S3-compatible bucket (``ledger.blobs``)."""

    def __init__(self, url: str) -> None:
        self._blobs = blobs_at(url)

    @property
    def root(self) -> Path:
        """The folder, or the bucket's name and prefix."""
        return Path(self._blobs.root)

    def put(self, tenant: str, content: bytes, *, name: str, kind: str, media_type: str) -> Kept:
        """Keep the bytes durably. Raises OSError when the place does not take them."""
        digest = hashlib.sha256(content).hexdigest()
        self._blobs.write(_path(tenant, digest), content)
        return Kept(name, kind, digest, media_type, len(content))

    def get(self, tenant: str, digest: str) -> bytes:
        """The bytes kept under ``digest``. Raises EvidenceMissing or EvidenceCorrupt."""
        try:
            content = self._blobs.read(_path(tenant, digest))
        except FileNotFoundError:
            raise EvidenceMissing(f"no blob {digest}") from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise EvidenceCorrupt(f"the blob {digest} has changed")
        return content

    def blocks(self, tenant: str, digest: str) -> Iterator[bytes]:
        """The same bytes in blocks, the last of them only when all are known to be those of ``digest``.

        Raises EvidenceMissing before the first, EvidenceCorrupt in place of the last.
        """
        seen, last = hashlib.sha256(), b""
        try:
            for block in self._blobs.blocks(_path(tenant, digest), BLOCK_BYTES):
                seen.update(block)
                if last:
                    yield last
                last = block
        except FileNotFoundError:
            raise EvidenceMissing(f"no blob {digest}") from None
        if seen.hexdigest() != digest:
            raise EvidenceCorrupt(f"the blob {digest} has changed")
        yield last

    def remove(self, tenant: str, digest: str) -> None:
        """Remove a blob; removing what is not there is no error."""
        self._blobs.remove(_path(tenant, digest))

    def put_at(self, tenant: str, digest: str) -> float | None:
        """When the blob was put last, in seconds since 1970 by the store's clock; None when it is not there."""
        return self._blobs.modified(_path(tenant, digest))

    def tenants(self) -> list[str]:
        """Whose blobs there are."""
        return [name for name in self._blobs.names("") if _TENANT.fullmatch(name)]

    def digests(self, tenant: str, prefix: str) -> list[str]:
        """A tenant's blobs whose digests begin with these two digits."""
        return [name for name in self._blobs.names(f"{tenant}/{prefix}") if _DIGEST.fullmatch(name)]


def _path(tenant: str, digest: str) -> str:
    if not _TENANT.fullmatch(tenant):
        raise ValueError(f"{tenant!r} cannot name a tenant's folder")
    if not _DIGEST.fullmatch(digest):
        raise EvidenceMissing(f"{digest!r} is not a sha256 digest")
    return f"{tenant}/{digest[:2]}/{digest}"
