"""What can be done with audits that are there: look up, list, cancel, read the report and what was kept."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

from ledger import audits
from ledger.audits import AuditRow
from ledger.errors import EvidenceCorrupt, EvidenceMissing
from palimpsest.contract.problems import Code
from service.cursor import Selection
from service.errors import FINAL, EvidenceRefused, Refusal
from service.gateway import Gateway
from service.identity import checked

DIGEST = re.compile(r"[0-9a-f]{64}")
"""No database is asked what it makes of anything else."""


@dataclass(frozen=True)
class Page:
    """Some audits, and the id from which the next page goes on; None on the last."""

    rows: list[AuditRow]
    last: str | None


def look_up(gateway: Gateway, tenant: str, audit_id: str) -> AuditRow:
    """One audit. Raises NotFound, also for another tenant's."""
    with gateway.ledger.reading() as connection:
        return audits.get(connection, tenant, checked(audit_id))


def page(gateway: Gateway, tenant: str, *, limit: int, selection: Selection, before: str | None) -> Page:
    """Up to ``limit`` audits, newest first."""
    with gateway.ledger.reading() as connection:
        rows = audits.page(
            connection,
            tenant,
            limit=limit + 1,
            before=before,
            state=selection.state,
            model_id=selection.model,
            labels=selection.pairs,
        )
    return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


def cancel(gateway: Gateway, tenant: str, audit_id: str) -> AuditRow:
    """Ask an audit to stop, which takes a while; asking twice is asking once. Raises NotFound or AlreadyTerminal."""

    def ask(connection: Any) -> AuditRow:
        audits.cancel(connection, tenant, checked(audit_id))
        return audits.get(connection, tenant, audit_id)

    return gateway.ledger.write(ask)


def evidence(gateway: Gateway, tenant: str, audit_id: str, digest: str) -> tuple[Iterator[bytes], str]:
    """A file that an audit kept, in blocks, and its media type. Raises NotFound, or a Refusal if there is none."""
    look_up(gateway, tenant, audit_id)
    found = None
    if DIGEST.fullmatch(digest):
        with gateway.ledger.reading() as connection:
            found = audits.exhibit(connection, tenant, audit_id, digest)
    if found is None:
        raise Refusal(Code.EVIDENCE_NOT_FOUND, "the audit keeps no file of this digest")
    media_type, removed = found
    if removed:
        detail = "the time for which such files are kept is over; audit again"
        raise Refusal(Code.EVIDENCE_REMOVED, detail, headers=FINAL)
    return blocks(gateway, tenant, digest, "the file"), media_type


def blocks(gateway: Gateway, tenant: str, digest: str, what: str) -> Iterator[bytes]:
    """A kept file, block by block: what is damaged breaks off before its last block. Raises a Refusal at once."""
    found = gateway.evidence.blocks(tenant, digest)
    with _kept(what):
        return chain([next(found)], found)


def read(gateway: Gateway, tenant: str, digest: str, what: str) -> bytes:
    """The whole of a kept file, none of it if it is damaged. Raises a Refusal that names it."""
    with _kept(what):
        return gateway.evidence.get(tenant, digest)


@contextmanager
def _kept(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EvidenceRefused from error
    except (EvidenceMissing, EvidenceCorrupt) as error:
        detail = f"{what} is recorded but its bytes are gone or damaged; audit again with force_new"
        raise Refusal(Code.INTERNAL_ERROR, detail, headers=FINAL) from error
