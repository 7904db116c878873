"""A finished audit's report, in the format that is wanted: kept bytes, found by digest."""

from ledger import audits, renderings
from ledger.audits import AuditRow
from ledger.renderings import Rendering
from palimpsest.contract.problems import Code
from palimpsest.contract.status import TERMINAL
from palimpsest.renderings.formats import JSON, Format
from service import answers
from service.audits import look_up
from service.errors import FINAL, Refusal
from service.gateway import Gateway

SOON = {"Retry-After": "1"}
"""A sweeper renders within a second or two of an audit's end."""


def find(gateway: Gateway, tenant: str, audit_id: str, format: Format, *, now: float) -> str:
    """The digest of the report's bytes. Raises NotFound, or a Refusal while or because there are none."""
    row = look_up(gateway, tenant, audit_id)
    if row.report_digest is None:
        raise _without_report(row, now)
    with gateway.ledger.reading() as connection:
        due = renderings.is_due(connection, tenant, row.id)
        found: Rendering | None = Rendering(row.report_digest, audits.report_is_removed(connection, tenant, row.id))
        if format is not JSON and found is not None and not found.removed:
            found = renderings.find(connection, tenant, row.id, format.file)
    if found is None:
        raise _without_rendering(format, due=due)
    if found.removed:
        raise Refusal(Code.REPORT_REMOVED, "the time for which reports are kept is over; audit again", headers=FINAL)
    return found.digest


def _without_report(row: AuditRow, now: float) -> Refusal:
    if row.state in TERMINAL:
        detail = f"the audit {row.state} without a report ({row.error or 'no code'})"
        return Refusal(Code.REPORT_NOT_READY, detail, headers=FINAL)
    headers = {"Retry-After": str(answers.retry_after(row, now=now))}
    return Refusal(Code.REPORT_NOT_READY, f"the audit is {row.state}; try again later", headers=headers)


def _without_rendering(format: Format, *, due: bool) -> Refusal:
    if due:
        detail = f"the report is there and is about to be rendered as {format.name}; try again in a moment"
        return Refusal(Code.REPORT_NOT_READY, detail, headers=SOON)
    signed = " or to sign with" if format.signed else ""
    detail = f"the report is there, but nothing to make {format.name} of{signed}; docs/reports.md says when that is so"
    return Refusal(Code.REPORT_NOT_READY, detail, headers=FINAL)
