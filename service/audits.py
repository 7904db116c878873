"""What can be done with audits that are there: look up, list, cancel, read the report."""

from dataclasses import dataclass
from typing import Any

from ledger import audits
from ledger.audits import AuditRow
from ledger.errors import EvidenceCorrupt, EvidenceMissing
from palimpsest.contract.problems import Code
from palimpsest.contract.status import TERMINAL
from service import answers
from service.cursor import Selection
from service.errors import FINAL, EvidenceRefused, Refusal
from service.gateway import Gateway
from service.identity import checked


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


def report(gateway: Gateway, tenant: str, audit_id: str, *, now: float) -> bytes:
    """The report's bytes, as the worker wrote them. Raises NotFound, or a Refusal while or because there is none."""
    row = look_up(gateway, tenant, audit_id)
    if row.report_digest is None:
        raise _without_report(row, now)
    with gateway.ledger.reading() as connection:
        if audits.report_is_removed(connection, tenant, audit_id):
            raise Refusal(
                Code.REPORT_REMOVED, "the time for which reports are kept is over; audit again", headers=FINAL
            )
    try:
        return gateway.evidence.get(tenant, row.report_digest)
    except OSError as error:
        raise EvidenceRefused from error
    except (EvidenceMissing, EvidenceCorrupt) as error:
        detail = "the report is recorded but its bytes are gone or damaged; audit again with force_new"
        raise Refusal(Code.INTERNAL_ERROR, detail, headers=FINAL) from error


def _without_report(row: AuditRow, now: float) -> Refusal:
    if row.state in TERMINAL:
        detail = f"the audit {row.state} without a report ({row.error or 'no code'})"
        return Refusal(Code.REPORT_NOT_READY, detail, headers=FINAL)
    headers = {"Retry-After": str(answers.retry_after(row, now=now))}
    return Refusal(Code.REPORT_NOT_READY, f"the audit is {row.state}; try again later", headers=headers)
