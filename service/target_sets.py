"""Lists of targets that are sent ahead: imported whole or not at all, and taken over by the audits that name them.

A set is its rows, one JSON object a line in one form, kept as a blob under its digest: equal rows are one set. The
pictures in them become uploaded ones. URLs are kept as data and nothing ever fetches one.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ledger import accesses, collection, target_sets, uploads
from ledger.errors import EvidenceMissing, ImageNotFound, TargetSetNotFound
from ledger.target_sets import KIND, Created
from ledger.uploads import Picture
from palimpsest.contract.request import AuditRequest, InlineImage, Target
from palimpsest.contract.uploads import SetRow, UploadedSet
from service import audits, rows
from service.callers import Caller
from service.errors import EvidenceRefused, refused
from service.gateway import Gateway
from service.identity import SET_ID, checked_set
from service.rows import Line
from service.uploads import ATTEMPTS, Sent, keep, unknown, verify

MEDIA_TYPE = "application/x-ndjson"


@dataclass(frozen=True)
class Resolved:
    """A request with the rows of the sets it names in its lists, and where each list came from."""

    request: AuditRequest
    sets: dict[str, dict[str, Any]]

    def source(self, listed: str) -> str:
        """The field by which the asker gave this list."""
        return f"{listed.removesuffix('s')}_set" if listed in self.sets else listed


def send(gateway: Gateway, tenant: str, content: bytes, kind: rows.Kind, title: str, *, pixels: int) -> Created:
    """Import a list. Raises a Refusal that names every line at fault, and then nothing of it is there."""
    lines = rows.parsed(content, kind)
    problems = unknown(gateway, tenant, named(lines))
    if problems:
        raise refused(problems)
    verify(inline(lines), pixels)
    for _ in range(ATTEMPTS):
        with suppress(EvidenceMissing):
            return _kept(gateway, tenant, lines, title)
    raise EvidenceRefused


def named(lines: list[Line]) -> Iterator[tuple[str, str]]:
    """(path, digest) of every picture that was sent ahead."""
    for line in lines:
        for column, image in enumerate(line.row.images):
            if not isinstance(image, InlineImage):
                yield f"line.{line.number}.images.{column}.digest", image.digest


def inline(lines: list[Line]) -> Iterator[Sent]:
    """Every picture that comes in a row."""
    for line in lines:
        for column, image in enumerate(line.row.images):
            if isinstance(image, InlineImage):
                field = f"line.{line.number}.images.{column}"
                yield Sent(field, image.media_type, lambda image=image: image.content)  # type: ignore[misc]


def written(lines: list[Line], pictures: list[Picture]) -> Iterator[bytes]:
    """The rows in the one form: their pictures by digest, nothing that was not given, LF behind each."""
    made = iter(pictures)
    for line in lines:
        row = line.row.model_dump(mode="json", exclude_none=True, exclude={"images", "caption"})
        digests = [next(made).digest if isinstance(image, InlineImage) else image.digest for image in line.row.images]
        text = {} if line.row.text is None else {"prompt": line.row.text}
        whole = {**row, **text, "images": [{"digest": digest} for digest in digests]}
        yield json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _kept(gateway: Gateway, tenant: str, lines: list[Line], title: str) -> Created:
    """One try. Raises EvidenceMissing when a collection was faster."""
    pictures = [keep(gateway.evidence, tenant, each) for each in inline(lines)]
    blob = b"".join(written(lines, pictures))
    try:
        digest = gateway.evidence.put(tenant, blob, name=KIND, kind=KIND, media_type=MEDIA_TYPE).digest
    except OSError as error:
        raise EvidenceRefused from error
    wanted = {digest for _, digest in named(lines)} | {picture.digest for picture in pictures}

    def write(connection: Any) -> Created:
        uploads.record(connection, tenant, pictures)
        return target_sets.create(connection, tenant, title=title, digest=digest, count=len(lines), pictures=wanted)

    try:
        return gateway.ledger.write(write)
    except ImageNotFound:
        raise refused(unknown(gateway, tenant, named(lines))) from None


def resolved(gateway: Gateway, tenant: str, request: AuditRequest) -> Resolved:
    """The request with the rows of uploaded sets in place of their ids; what is no uploaded set of theirs stays."""
    changes: dict[str, Any] = {}
    sets: dict[str, dict[str, Any]] = {}
    for listed in ("targets", "controls"):
        field = f"{listed.removesuffix('s')}_set"
        set_id = getattr(request, field)
        if is_uploaded(set_id):
            with suppress(TargetSetNotFound), gateway.ledger.reading() as connection:
                row = target_sets.get(connection, tenant, set_id)
                sets[listed] = {"id": row.id, "digest": row.digest, "count": row.count}
                changes |= {listed: targets(gateway, tenant, row.digest), field: None}
    return Resolved(request.model_copy(update=changes) if changes else request, sets)


def is_uploaded(set_id: str | None) -> bool:
    """Whether this is the id of a set that was sent, and not the name of one that came with a model."""
    return set_id is not None and SET_ID.fullmatch(set_id) is not None


def targets(gateway: Gateway, tenant: str, digest: str) -> list[Target]:
    """The rows of a set as a request would have them."""
    blob = audits.read(gateway, tenant, digest, "the target set")
    return [SetRow.model_validate_json(line).target(n) for n, line in enumerate(blob.splitlines(), start=1)]


def look_up(gateway: Gateway, tenant: str, set_id: str) -> UploadedSet:
    """One set. Raises TargetSetNotFound, also for another tenant's."""
    with gateway.ledger.reading() as connection:
        return told(target_sets.get(connection, tenant, checked_set(set_id)))


def page(gateway: Gateway, tenant: str, *, limit: int, before: str | None) -> tuple[list[UploadedSet], str | None]:
    """Up to ``limit`` sets, newest first, and the id from which the next page goes on; None on the last."""
    with gateway.ledger.reading() as connection:
        found = target_sets.page(connection, tenant, limit=limit + 1, before=before)
    return [told(row) for row in found[:limit]], found[limit - 1].id if len(found) > limit else None


def delete(gateway: Gateway, caller: Caller, set_id: str) -> UploadedSet:
    """The set as it was; it is not there any more. Audits that took its rows over keep them."""
    checked_set(set_id)
    with gateway.ledger.writing() as connection:
        row = target_sets.delete_set(connection, caller.tenant, set_id)
        collection.condemn(connection, caller.tenant, [row.digest])
        accesses.append(connection, caller.tenant, actor=caller.actor, action="target_set.deleted", subject=set_id)
    return told(row)


def told(row: target_sets.SetRow) -> UploadedSet:
    """A set in the contract's words."""
    return UploadedSet(
        id=row.id,
        title=row.title,
        digest=row.digest,
        count=row.count,
        images=row.images,
        created_at=datetime.fromtimestamp(row.created_at, UTC),
    )


def renamed(found: Resolved, field: str) -> str:
    """The path of a target as the asker knows it: ``target_set.3`` where the list is a set."""
    listed, _, rest = field.partition(".")
    return f"{found.source(listed)}.{rest}"
