"""A report as one HTML file that needs nothing beside it: its pictures, if it is to have any, are in it."""

import base64

from palimpsest.client import AuditClient
from palimpsest.errors import NotUnderstood, ProblemError
from palimpsest.exits import note
from palimpsest.renderings.original import Original
from palimpsest.renderings.people import alone, wanted

KINDS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}
"""By how a file begins; nothing else is taken for a picture."""
GONE = (404, 410)


def from_file(document: bytes) -> bytes:
    """The page without pictures. Raises NotUnderstood for what is no report."""
    return alone(read(document))


def from_service(client: AuditClient, audit_id: str, document: bytes, *, images: bool) -> bytes:
    """The page; ``images`` fetches its pictures, which takes the scope evidence:read."""
    original = read(document)
    if not images:
        return alone(original)
    found = {digest: picture(client, audit_id, digest) for digest in wanted(original)}
    kept = {digest: uri for digest, uri in found.items() if uri is not None}
    if len(kept) < len(found):
        note(f"{len(found) - len(kept)} of {len(found)} pictures are not kept any more")
    return alone(original, kept)


def read(document: bytes) -> Original:
    """A report. Raises NotUnderstood."""
    try:
        return Original.read(document)
    except ValueError as error:
        raise NotUnderstood("not a report, or one of another release") from error


def picture(client: AuditClient, audit_id: str, digest: str) -> str | None:
    """A data URI; None for what was removed when its time was over, or is no picture. Raises ProblemError."""
    try:
        return data_uri(client.evidence(audit_id, digest))
    except ProblemError as error:
        if error.problem.status in GONE:
            return None
        raise


def data_uri(content: bytes) -> str | None:
    """None for what is no picture."""
    kind = next((kind for begins, kind in KINDS.items() if content.startswith(begins)), None)
    return None if kind is None else f"data:{kind};base64,{base64.b64encode(content).decode()}"
