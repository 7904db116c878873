"""Pictures that are sent ahead: decoded, made anew as PNG, kept by digest. All files of a request, or none of them.

The blobs are durable before the ledger's rows name them, as everywhere; the rows come in one transaction. Nothing is
ever fetched: a picture is a file of the body, never a URL.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from ledger import accesses, collection, uploads
from ledger.errors import EvidenceMissing
from ledger.evidence import EvidenceStore
from ledger.holdings import INPUT
from ledger.uploads import ImageRow, Picture
from palimpsest.contract.problems import Code, FieldProblem
from palimpsest.contract.request import AuditRequest
from palimpsest.contract.uploads import ImageStatus, UploadedImage
from service import canonical, images
from service.callers import Caller
from service.errors import EvidenceRefused, refused
from service.gateway import Gateway
from service.identity import checked_image
from service.images import FORMATS

ATTEMPTS = 3
"""How often blobs are put: a collection may remove one before the row that names it is there."""


TYPES = {name: media_type for media_type, name in FORMATS.items()}


@dataclass(frozen=True)
class Sent:
    """A file, under the path by which it is complained of; ``media_type`` is None where nobody says what it is."""

    field: str
    media_type: str | None
    content: Callable[[], bytes]


def send(gateway: Gateway, tenant: str, files: Sequence[Sent], *, pixels: int) -> list[UploadedImage]:
    """Keep every file; raises a Refusal that names each that is no picture, and then none is kept."""
    verify(files, pixels)
    for _ in range(ATTEMPTS):
        pictures = [keep(gateway.evidence, tenant, each) for each in files]
        with suppress(EvidenceMissing):
            gateway.ledger.write(lambda connection: uploads.record(connection, tenant, pictures))  # noqa: B023
            return [told(picture) for picture in pictures]
    raise EvidenceRefused


def verify(files: Iterable[Sent], most: int) -> None:
    """Decode every file. Raises a Refusal that names each that is no picture."""
    if problems := images.problems(((sent.field, sent.media_type, sent.content()) for sent in files), most):
        raise refused(problems)


def keep(store: EvidenceStore, tenant: str, sent: Sent) -> Picture:
    """Make a verified file anew and keep that. Raises EvidenceRefused.

    Decoded once more: of all the pictures of a request there is never more than one in memory, nor any on the disk.
    """
    content = sent.content()
    with images.decoded(content, sent.media_type) as image:
        media_type = TYPES.get(image.format or "", "image/jpeg")  # a camera's MPO is one, too
        flat = canonical.flat(image)
    try:
        kept = store.put(tenant, canonical.png(flat), name=INPUT, kind=INPUT, media_type="image/png")
    except OSError as error:
        raise EvidenceRefused from error
    return Picture(kept.digest, hashlib.sha256(content).hexdigest(), media_type, flat.width, flat.height)


def unknown(gateway: Gateway, tenant: str, named: Iterable[tuple[str, str]]) -> list[FieldProblem]:
    """A problem for every image, (path, digest), that was not sent ahead."""
    listed = list(named)
    if not listed:
        return []
    with gateway.ledger.reading() as connection:
        found = uploads.there(connection, tenant, {digest for _, digest in listed})
    detail = "no uploaded image has this digest; POST /v1/images tells the digest to name"
    return [
        FieldProblem(field=field, code=Code.UNKNOWN_IMAGE, detail=detail)
        for field, digest in listed
        if digest not in found
    ]


def digests_in(request: AuditRequest) -> tuple[str, ...]:
    """What a request names."""
    return tuple(sorted({digest for _, digest in images.named_images(request)}))


def look_up(gateway: Gateway, tenant: str, digest: str) -> ImageStatus:
    """One picture. Raises ImageNotFound, also for another tenant's."""
    with gateway.ledger.reading() as connection:
        return standing(uploads.get(connection, tenant, checked_image(digest)))


def delete(gateway: Gateway, caller: Caller, digest: str) -> ImageStatus:
    """The picture as it was; nobody can name it any more. Raises ImageNotFound or ImageInUse."""
    checked_image(digest)
    with gateway.ledger.writing() as connection:
        row = uploads.get(connection, caller.tenant, digest)
        uploads.delete_image(connection, caller.tenant, digest)
        collection.condemn(connection, caller.tenant, [digest])
        accesses.append(connection, caller.tenant, actor=caller.actor, action="image.deleted", subject=digest)
    return standing(row)


def told(picture: Picture) -> UploadedImage:
    """A picture in the contract's words."""
    return UploadedImage(
        digest=picture.digest,
        sha256_uploaded=picture.uploaded,
        media_type=picture.media_type,
        width=picture.width,
        height=picture.height,
    )


def standing(row: ImageRow) -> ImageStatus:
    """The same of one that is there."""
    moments = {name: datetime.fromtimestamp(getattr(row, name), UTC) for name in ("created_at", "used_at")}
    return ImageStatus(**told(row).model_dump(), **moments)
