"""Which audit holds which blob: the rows of evidence, written after their blobs and never removed with them.

But for one kind, the newest state of a unit under way, whose row the next state takes over (``ledger.checkpoints``).
What was uploaded ahead of any audit is held by a row of its own (``ledger.uploads``, ``ledger.target_sets``).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select

from ledger.database import now
from ledger.errors import EvidenceMissing
from ledger.evidence import Kept
from ledger.schema import condemned, evidence, images, target_sets

INPUT = "target_image"
"""The kind of an image that came with a request."""

_MOST_PARAMETERS = 1000


def hold(connection: Connection, tenant: str, audit_id: str, unit_id: str, kept: list[Kept]) -> None:
    """Write down what a unit has put into the store.

    Raises EvidenceMissing for a blob that has just been removed: whoever put it must put it again.
    """
    spare(connection, tenant, [blob.digest for blob in kept])
    rows = [
        {
            "name": blob.name,
            "kind": blob.kind,
            "digest": blob.digest,
            "media_type": blob.media_type,
            "size": blob.size,
        }
        for blob in kept
    ]
    _insert(connection, tenant, audit_id, unit_id, rows)


def hold_images(connection: Connection, asked: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    """The images that requests name, for the audits they belong to: (tenant, audit id, request) each.

    Raises EvidenceMissing as ``hold`` does. All are spared before any is written down, so that of two batches neither
    waits for the other in a circle.
    """
    named = [(tenant, audit_id, images_of(request)) for tenant, audit_id, request in asked]
    for tenant in sorted({tenant for tenant, _, _ in named}):
        spare(connection, tenant, [digest for its, _, found in named if its == tenant for digest in found])
    for tenant, audit_id, found in named:
        rows = [
            {"name": f"image-{n}", "kind": INPUT, "digest": digest, "media_type": media_type}
            for n, (digest, media_type) in enumerate(found.items())
        ]
        _insert(connection, tenant, audit_id, audit_id, rows)


def images_of(request: dict[str, Any]) -> dict[str, str]:
    """Media type by digest of every image that the request's targets and controls name."""
    targets = [row for part in ("targets", "controls") for row in request.get(part) or []]
    return {image["sha256"]: image["media_type"] for row in targets for image in row.get("images") or []}


def spare(connection: Connection, tenant: str, digests: list[str]) -> None:
    """Lift the sentence on blobs that are wanted again. Raises EvidenceMissing when one has just been removed.

    Whoever removes a blob holds its sentence's row meanwhile (``ledger.collection``), so that this waits for the end of
    it. In the order of the digests: two never wait for each other in a circle.
    """
    for digest in _condemned(connection, tenant, digests):
        sentence = and_(condemned.c.tenant_id == tenant, condemned.c.digest == digest)
        if connection.execute(delete(condemned).where(sentence)).rowcount == 0:
            raise EvidenceMissing(f"the blob {digest} has just been removed; it has to be put again")


def held(connection: Connection, tenant: str, digests: list[str]) -> set[str]:
    """Those of these blobs that an audit of the tenant still holds, or that were uploaded and are still there."""
    found: set[str] = set()
    for some in few(digests):
        for table in (evidence, images, target_sets):
            chosen = select(table.c.digest).where(table.c.tenant_id == tenant, table.c.digest.in_(some))
            if table is evidence:
                chosen = chosen.where(evidence.c.removed_at.is_(None))
            found |= set(connection.execute(chosen.distinct()).scalars())
    return found


def _condemned(connection: Connection, tenant: str, digests: list[str]) -> list[str]:
    found: set[str] = set()
    for some in few(digests):
        chosen = select(condemned.c.digest).where(condemned.c.tenant_id == tenant, condemned.c.digest.in_(some))
        found |= set(connection.execute(chosen).scalars())
    return sorted(found)


def few(digests: list[str]) -> Iterator[list[str]]:
    """As many as a statement takes, and then the next."""
    for start in range(0, len(digests), _MOST_PARAMETERS):
        yield digests[start : start + _MOST_PARAMETERS]


def _insert(connection: Connection, tenant: str, audit_id: str, unit_id: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        own = {"tenant_id": tenant, "audit_id": audit_id, "unit_id": unit_id}
        connection.execute(insert(evidence).values(created_at=now()), [{**own, **row} for row in rows])
