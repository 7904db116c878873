"""Pictures that were sent ahead of any audit, by the digest under which the evidence store has them.

    uploaded → used by audits and target sets, each of which moves ``used_at`` → not used for the time of uploads → gone

An audit that names one holds its blob by a row of evidence from then on, as it does with the images that came inside
its request; the picture itself can be named anew as long as its row is here. Whoever names a picture updates that row
first, and whoever removes it looks again once the row is theirs: of the two at once, one comes after the other.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, select, tuple_, update

from ledger import holdings
from ledger.database import now, upsert
from ledger.errors import ImageInUse, ImageNotFound
from ledger.schema import evidence, images, target_set_images

DAY = 86_400.0


@dataclass(frozen=True)
class Picture:
    """``uploaded`` is the sha256 of the file that came, ``digest`` that of the PNG that is kept; sizes in pixels."""

    digest: str
    uploaded: str
    media_type: str
    width: int
    height: int


@dataclass(frozen=True)
class ImageRow(Picture):
    """A picture that is there; times in seconds since 1970."""

    created_at: float
    used_at: float


def record(connection: Connection, tenant: str, pictures: Sequence[Picture]) -> None:
    """Write down pictures whose blobs are in the store. The same picture again, be it of another file, is the same row.

    Raises EvidenceMissing for a blob that has just been removed: whoever put it must put it again.
    """
    rows = {picture.digest: picture for picture in pictures}
    holdings.spare(connection, tenant, sorted(rows))
    for digest, picture in sorted(rows.items()):
        last = {"uploaded": picture.uploaded, "media_type": picture.media_type, "used_at": now()}
        size = {"width": picture.width, "height": picture.height}
        connection.execute(
            upsert(connection, images)
            .values(tenant_id=tenant, digest=digest, **size, created_at=now(), **last)
            .on_conflict_do_update(index_elements=["tenant_id", "digest"], set_=last)
        )


def get(connection: Connection, tenant: str, digest: str) -> ImageRow:
    """One picture. Raises ImageNotFound, also for another tenant's."""
    columns = [images.c[name] for name in ImageRow.__dataclass_fields__]
    row = connection.execute(select(*columns).where(images.c.tenant_id == tenant, images.c.digest == digest)).first()
    if row is None:
        raise ImageNotFound(digest)
    return ImageRow(*row)


def there(connection: Connection, tenant: str, digests: Collection[str]) -> set[str]:
    """Those of these pictures that can be named."""
    found: set[str] = set()
    for some in holdings.few(sorted(digests)):
        chosen = select(images.c.digest).where(images.c.tenant_id == tenant, images.c.digest.in_(some))
        found |= set(connection.execute(chosen).scalars())
    return found


def use(connection: Connection, tenant: str, digests: Collection[str]) -> None:
    """Name these pictures, in the transaction that writes down who does. Raises ImageNotFound if one is not there."""
    for some in holdings.few(sorted(set(digests))):
        named = update(images).where(images.c.tenant_id == tenant, images.c.digest.in_(some)).values(used_at=now())
        missing = set(some) - set(connection.execute(named.returning(images.c.digest)).scalars())
        if missing:
            raise ImageNotFound(min(missing))


def delete_image(connection: Connection, tenant: str, digest: str) -> None:
    """Nobody can name the picture any more; audits that did keep theirs. Raises ImageNotFound or ImageInUse."""
    use(connection, tenant, [digest])
    in_sets = select(target_set_images.c.target_set_id).where(
        target_set_images.c.tenant_id == tenant, target_set_images.c.digest == digest
    )
    if connection.execute(in_sets.limit(1)).first() is not None:
        raise ImageInUse("an uploaded target set names the image; delete the set first")
    connection.execute(delete(images).where(images.c.tenant_id == tenant, images.c.digest == digest))


def expire(connection: Connection, days: float, limit: int) -> list[tuple[str, str]]:
    """Remove up to ``limit`` rows of pictures that nothing has used for so long; (tenant, digest) of each."""
    old = images.c.used_at < now() - days * DAY
    audits_do = exists().where(
        evidence.c.tenant_id == images.c.tenant_id,
        evidence.c.digest == images.c.digest,
        evidence.c.removed_at.is_(None),
    )
    sets_do = exists().where(
        target_set_images.c.tenant_id == images.c.tenant_id, target_set_images.c.digest == images.c.digest
    )
    over = (
        select(images.c.tenant_id, images.c.digest)
        .where(old, ~audits_do, ~sets_do)
        .order_by(images.c.used_at)
        .limit(limit)
    )
    # Named meanwhile, a row is not old any more: PostgreSQL looks at that again once the row is free.
    gone = delete(images).where(tuple_(images.c.tenant_id, images.c.digest).in_(over), old)
    return [
        (row.tenant_id, row.digest) for row in connection.execute(gone.returning(images.c.tenant_id, images.c.digest))
    ]
