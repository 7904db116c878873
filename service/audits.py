"""What can be done with audits: submit, look up, list, cancel, read the report."""

import re
from dataclasses import dataclass

from ledger import audits
from ledger.audits import AuditRow, Submission
from ledger.errors import EvidenceCorrupt, EvidenceMissing, NotFound
from palimpsest.contract.problems import Code
from palimpsest.contract.request import AuditRequest
from palimpsest.contract.status import TERMINAL
from service import answers, digests, images, offer
from service.admission import admit
from service.cursor import Selection
from service.errors import FINAL, Refusal
from service.gateway import Gateway
from service.observability import traceparent

ID = re.compile(r"aud_[0-9A-Z]{26}")


@dataclass(frozen=True)
class Submitted:
    """The audit that answers a submission, and whether it was there before."""

    row: AuditRow
    replayed: bool
    reused: bool


@dataclass(frozen=True)
class Page:
    """Some audits, and the id from which the next page goes on; None on the last."""

    rows: list[AuditRow]
    last: str | None


def submit(gateway: Gateway, tenant: str, request: AuditRequest, key: str) -> Submitted:
    """Accept an audit. The same request under the same key is one audit, however often it is sent.

    Raises a Refusal, and leaves no trace in the ledger, when the audit cannot be done here.
    """
    offered = offer.read(gateway.ledger, tenant)
    card = admit(request, offered)
    recorded = images.keep(gateway.evidence, tenant, request)
    submission = Submission(
        request=recorded,
        request_digest=digests.request_digest(recorded, card, offered.engine),
        model_id=card.id,
        labels=dict(request.labels),
        key=key,
        fingerprint=digests.fingerprint(recorded),
        reuse=not request.force_new,
        traceparent=traceparent(),
    )
    with gateway.ledger.writing() as connection:
        accepted = audits.submit(connection, tenant, submission)
        row = audits.get(connection, tenant, accepted.audit_id)
    return Submitted(row, accepted.replayed, accepted.reused)


def look_up(gateway: Gateway, tenant: str, audit_id: str) -> AuditRow:
    """One audit. Raises NotFound, also for another tenant's."""
    with gateway.ledger.reading() as connection:
        return audits.get(connection, tenant, _id(audit_id))


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
    with gateway.ledger.writing() as connection:
        audits.cancel(connection, tenant, _id(audit_id))
        return audits.get(connection, tenant, audit_id)


def report(gateway: Gateway, tenant: str, audit_id: str, *, now: float) -> bytes:
    """The report's bytes, as the worker wrote them. Raises NotFound, or a Refusal while or because there is none."""
    row = look_up(gateway, tenant, audit_id)
    if row.report_digest is None:
        raise _without_report(row, now)
    try:
        return gateway.evidence.get(tenant, row.report_digest)
    except (EvidenceMissing, EvidenceCorrupt) as error:
        detail = "the report is recorded but its bytes are gone or damaged; audit again with force_new"
        raise Refusal(Code.INTERNAL_ERROR, detail, headers=FINAL) from error


def _without_report(row: AuditRow, now: float) -> Refusal:
    if row.state in TERMINAL:
        detail = f"the audit {row.state} without a report ({row.error or 'no code'})"
        return Refusal(Code.REPORT_NOT_READY, detail, headers=FINAL)
    headers = {"Retry-After": str(answers.retry_after(row, now=now))}
    return Refusal(Code.REPORT_NOT_READY, f"the audit is {row.state}; try again later", headers=headers)


def _id(audit_id: str) -> str:
    """What has not the form of an id is the id of nothing, and no database is asked what it makes of it."""
    if not ID.fullmatch(audit_id):
        raise NotFound
    return audit_id
