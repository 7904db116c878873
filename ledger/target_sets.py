"""Lists of targets that were sent ahead: a row for each, its rows as one blob in the evidence store.

Equal rows are one set of their tenant. A set stays until it is deleted, and keeps the pictures it names there
meanwhile. An audit takes the rows over when it is submitted, so that it does not need the set afterwards.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select
from ulid import ULID

from ledger import holdings, uploads
from ledger.database import now, upsert
from ledger.errors import TargetSetNotFound
from ledger.schema import target_set_images, target_sets

KIND = "target_set"


@dataclass(frozen=True)
class SetRow:
    """``digest`` is that of the blob; ``count`` targets, which name ``images`` different pictures."""

    id: str
    title: str
    digest: str
    count: int
    images: int
    created_at: float


@dataclass(frozen=True)
class Created:
    """The set, and whether it was there before."""

    row: SetRow
    reused: bool


def create(
    connection: Connection, tenant: str, *, title: str, digest: str, count: int, pictures: Collection[str]
) -> Created:
    """Write a set down whose blob is in the store, or find the one with the same rows.

    Raises ImageNotFound for a picture that is not there, EvidenceMissing for a blob that has just been removed.
    """
    holdings.spare(connection, tenant, [digest])
    named = sorted(set(pictures))
    uploads.use(connection, tenant, named)
    fresh = (
        upsert(connection, target_sets)
        .values(
            tenant_id=tenant,
            id=f"tset_{ULID()}",
            title=title,
            digest=digest,
            count=count,
            images=len(named),
            created_at=now(),
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "digest"])
        .returning(target_sets.c.id)
    )
    set_id = connection.execute(fresh).scalar_one_or_none()
    if set_id is not None and named:
        rows = [{"tenant_id": tenant, "digest": image, "target_set_id": set_id} for image in named]
        connection.execute(insert(target_set_images), rows)
    found = connection.execute(
        select(*_COLUMNS).where(target_sets.c.tenant_id == tenant, target_sets.c.digest == digest)
    ).one()
    return Created(SetRow(*found), reused=set_id is None)


def get(connection: Connection, tenant: str, set_id: str) -> SetRow:
    """One set. Raises TargetSetNotFound, also for another tenant's."""
    chosen = select(*_COLUMNS).where(target_sets.c.tenant_id == tenant, target_sets.c.id == set_id)
    row = connection.execute(chosen).first()
    if row is None:
        raise TargetSetNotFound(set_id)
    return SetRow(*row)


def page(connection: Connection, tenant: str, *, limit: int, before: str | None = None) -> list[SetRow]:
    """Up to ``limit`` sets, newest first, older than the id ``before``."""
    chosen = select(*_COLUMNS).where(target_sets.c.tenant_id == tenant).order_by(target_sets.c.id.desc()).limit(limit)
    if before is not None:
        chosen = chosen.where(target_sets.c.id < before)
    return [SetRow(*row) for row in connection.execute(chosen)]


def delete_set(connection: Connection, tenant: str, set_id: str) -> SetRow:
    """The set as it was; it is not there any more. Raises TargetSetNotFound."""
    gone = delete(target_sets).where(target_sets.c.tenant_id == tenant, target_sets.c.id == set_id)
    row = connection.execute(gone.returning(*_COLUMNS)).first()
    if row is None:
        raise TargetSetNotFound(set_id)
    its = target_set_images.c.tenant_id == tenant, target_set_images.c.target_set_id == set_id
    connection.execute(delete(target_set_images).where(*its))
    return SetRow(*row)


_COLUMNS = [target_sets.c[name] for name in SetRow.__dataclass_fields__]
