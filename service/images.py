"""Inline images: decoded in full before anything is recorded, then kept as they came and referred to by digest.

The decoder sees three formats, no picture of more than ``MOST_PIXELS``, no animation, and of one request no more pixels
than are allowed together: a picture of 16 million can be a file of 50 kB. Decoding here, in the gateway, is a decision
(docs/decisions/0003-the-gateway-decodes-images.md): a broken image is refused while somebody listens.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Any

from PIL import Image

from ledger.evidence import EvidenceStore
from ledger.holdings import INPUT
from palimpsest.contract.problems import Code, FieldProblem
from palimpsest.contract.request import AuditRequest, InlineImage, NamedImage
from service.errors import EvidenceRefused

Count = Callable[[int], None]
FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
MOST_PIXELS = 4096**2
SCAN, MOST_SCANS = b"\xff\xda", 100
"""What begins a scan of a JPEG: one of many scans is small and takes hours, for each of them goes over every pixel."""
MOST_TOGETHER = 2**28
"""Pixels of one request, unless the settings say otherwise: some seconds of decoding."""

DAMAGE = (OSError, SyntaxError, ValueError, TypeError, IndexError, EOFError, struct.error, zlib.error)
"""What Pillow's three decoders raise on bytes that are no picture, or half of one."""


INLINE = {"__all__": {"images"}}
"""Of a request's lists: what is told in other words."""


class Unreadable(Exception):
    """The bytes are no picture that is taken here; says why."""


class Overspent(Exception):
    """The pictures of the request have too many pixels together."""


def unreadable(request: AuditRequest, most: int = MOST_TOGETHER) -> list[FieldProblem]:
    """A problem for every inline image that is no image; empty when all can be decoded."""
    return problems(((field, image.media_type, image.content) for field, image in inline_images(request)), most)


def problems(pictures: Iterable[tuple[str, str | None, bytes]], most: int) -> list[FieldProblem]:
    """A problem for every picture, given by path, type and bytes, that is none; empty when all can be decoded.

    The one with which they pass ``most`` pixels is the last that is looked at, and is not decoded.
    """
    found: list[FieldProblem] = []
    total = 0

    def count(pixels: int) -> None:
        nonlocal total
        total += pixels
        if total > most:
            raise Overspent

    for field, media_type, content in pictures:
        try:
            complaint = complaint_about(content, media_type, count)
        except Overspent:
            detail = f"the images of one request may have {most} pixels together"
            return [*found, FieldProblem(field=field, code=Code.TOO_MANY_PIXELS, detail=detail)]
        if complaint:
            found.append(FieldProblem(field=field, code=Code.IMAGE_UNREADABLE, detail=complaint))
    return found


def inline_images(request: AuditRequest) -> Iterator[tuple[str, InlineImage]]:
    """Every image that comes with the request, with its path."""
    return ((field, image) for field, image in every_image(request) if isinstance(image, InlineImage))


def named_images(request: AuditRequest) -> Iterator[tuple[str, str]]:
    """The digest of every image that was sent ahead of the request, with its path."""
    return ((field, image.digest) for field, image in every_image(request) if isinstance(image, NamedImage))


def every_image(request: AuditRequest) -> Iterator[tuple[str, InlineImage | NamedImage]]:
    """Every image of the request, with its path."""
    for source, listed in (("targets", request.targets), ("controls", request.controls)):
        for row, target in enumerate(listed or []):
            for column, image in enumerate(target.images):
                yield f"{source}.{row}.images.{column}", image


def complaint_about(content: bytes, media_type: str | None, count: Count = lambda _: None) -> str | None:
    """Why these bytes are no picture of this type, or of any; None when every pixel can be decoded."""
    try:
        decoded(content, media_type, count).close()
    except Unreadable as error:
        return str(error)
    return None


def decoded(
    content: bytes, media_type: str | None, count: Count = lambda _: None, *, most: int = MOST_PIXELS
) -> Image.Image:
    """The picture, every pixel of it, of this type or of any of the three. Raises Unreadable.

    ``count`` is told how many pixels there are before any is decoded, and may raise. The size is compared before a
    pixel is touched, and directly: Pillow's own limit warns through a filter that is shared by all threads.
    """
    if media_type is not None and media_type not in FORMATS:
        raise Unreadable("an image is PNG, JPEG or WebP")
    formats = tuple(FORMATS.values()) if media_type is None else (FORMATS[media_type],)
    try:
        image = Image.open(BytesIO(content), formats=formats)
        if image.width * image.height > most:
            raise Unreadable(f"an image may have {most} pixels")
        if getattr(image, "n_frames", 1) != 1:
            raise Unreadable("an image has one frame")
        if image.format == "JPEG" and content.count(SCAN) > MOST_SCANS:
            raise Unreadable(f"a JPEG may have {MOST_SCANS} scans")
        count(image.width * image.height)
        image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable(f"an image may have {most} pixels") from error
    except DAMAGE as error:
        raise Unreadable(f"the bytes cannot be decoded as {media_type or 'PNG, JPEG or WebP'}") from error
    return image


def keep(store: EvidenceStore, tenant: str, request: AuditRequest) -> dict[str, Any]:
    """Put every inline image into the evidence store; returns the request with a digest in place of each.

    The blobs are durable before the ledger's row names them. An interrupted submission leaves blobs that nobody names,
    never a row without its blobs.
    """
    recorded = request.model_dump(mode="json", exclude={"targets": INLINE, "controls": INLINE})
    for source, listed in (("targets", request.targets), ("controls", request.controls)):
        for row, target in enumerate(listed or []):
            recorded[source][row]["images"] = [_recorded(store, tenant, image) for image in target.images]
    return recorded


def _recorded(store: EvidenceStore, tenant: str, image: InlineImage | NamedImage) -> dict[str, str]:
    if isinstance(image, NamedImage):
        return {"media_type": "image/png", "sha256": image.digest}
    return {"media_type": image.media_type, "sha256": _put(store, tenant, image)}


def _put(store: EvidenceStore, tenant: str, image: InlineImage) -> str:
    try:
        return store.put(tenant, image.content, name=INPUT, kind=INPUT, media_type=image.media_type).digest
    except OSError as error:
        raise EvidenceRefused from error
