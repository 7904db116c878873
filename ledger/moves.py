"""How a held unit moves on: back into the queue, or to one of its ends, and what that does to its audit.

Every move is a guarded UPDATE: it happens only while the unit is held under the ticket's fence, StaleFence otherwise.
The audit's row is locked (``events.lock``) before any of them.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, update

from ledger import endings, events, outbox, renderings, stages
from ledger.database import now
from ledger.errors import StaleFence
from ledger.schema import TERMINAL_AUDITS, audits, units


@dataclass(frozen=True)
class Ticket:
    """A claimed unit: what to do, and the fence under which its result may be written."""

    tenant: str
    audit_id: str
    unit_id: str
    stage: str
    ordinal: int
    kind: str
    payload: dict[str, Any]
    attempt: int
    fence: int


TICKET = (
    units.c.tenant_id,
    units.c.audit_id,
    units.c.id,
    units.c.stage,
    units.c.ordinal,
    units.c.kind,
    units.c.payload,
    units.c.attempt,
    units.c.fence,
)
"""The columns of a ticket, in its order."""


@dataclass(frozen=True)
class Conclusion:
    """What the last unit of an audit brings: the report and its digests."""

    outcome: str
    result_digest: str
    report_digest: str


def wanted(state: str, ticket: Ticket) -> bool:
    """Whether the audit, in this state, still has a use for the unit."""
    return state == "running" or ticket.kind == "report"


def held(ticket: Ticket) -> ColumnElement[bool]:
    """The ticket's unit, while it is leased under the ticket's fence."""
    return and_(
        units.c.tenant_id == ticket.tenant,
        units.c.id == ticket.unit_id,
        units.c.state == "leased",
        units.c.fence == ticket.fence,
    )


def where(ticket: Ticket) -> dict[str, Any]:
    """What an event says of its unit."""
    return {"stage": ticket.stage, "ordinal": ticket.ordinal, "attempt": ticket.attempt}


def end(connection: Connection, ticket: Ticket, **values: Any) -> None:
    """Move a held unit on; StaleFence when it is not held any more."""
    values.setdefault("finished_at", now())
    moved = connection.execute(update(units).where(held(ticket)).values(**values).returning(units.c.id)).one_or_none()
    if moved is None:
        raise StaleFence(f"unit {ticket.unit_id} is no longer held under fence {ticket.fence}")


def requeue(connection: Connection, ticket: Ticket, type: str, *, attempts: int, **data: str) -> None:
    """Back into the queue after so many attempts, announced anew."""
    end(
        connection,
        ticket,
        state="queued",
        attempt=attempts,
        queued_at=now(),
        rung_at=None,
        owner=None,
        lease_expires_at=None,
        finished_at=None,
        progress=0.0,
    )
    events.record(connection, ticket.tenant, ticket.audit_id, type, {**where(ticket), **data})
    outbox.ring(connection, ticket.tenant, ticket.audit_id, [ticket.unit_id], attempts + 1)


def stop(connection: Connection, ticket: Ticket) -> None:
    """End it as cancelled."""
    end(connection, ticket, state="cancelled")
    events.record(connection, ticket.tenant, ticket.audit_id, "unit.cancelled", where(ticket))
    stages.close_units(connection, ticket.tenant, ticket.audit_id, ticket.stage, 1)


def bury(connection: Connection, ticket: Ticket, state: str, code: str, detail: str) -> None:
    """End it as failed; if it is critical and its audit, in this state, still wanted it, the audit has failed too."""
    end(connection, ticket, state="failed", error=code, detail=detail)
    events.record(connection, ticket.tenant, ticket.audit_id, "unit.failed", {**where(ticket), "code": code})
    critical = select(units.c.critical).where(units.c.tenant_id == ticket.tenant, units.c.id == ticket.unit_id)
    if connection.execute(critical).scalar_one() and wanted(state, ticket):
        _close(connection, ticket, state="failed", outcome="error", error=code, detail=detail)
        events.record(connection, ticket.tenant, ticket.audit_id, "audit.failed", {"code": code})
    stages.close_units(connection, ticket.tenant, ticket.audit_id, ticket.stage, 1)


def conclude(connection: Connection, ticket: Ticket, conclusion: Conclusion) -> None:
    """End the audit as it was to end; its report is to be rendered."""
    state = _close(
        connection,
        ticket,
        state=audits.c.ending,
        outcome=conclusion.outcome,
        result_digest=conclusion.result_digest,
        report_digest=conclusion.report_digest,
    )
    events.record(connection, ticket.tenant, ticket.audit_id, f"audit.{state}", {"outcome": conclusion.outcome})
    renderings.owe(connection, ticket.tenant, ticket.audit_id)


def _close(connection: Connection, ticket: Ticket, **values: Any) -> str:
    """End the audit, and with it every unit still open, held ones too; the state it ended in. Webhooks will be told.

    No unit of an ended audit is held, so that nothing can be written to it any more.
    """
    state: str = connection.execute(
        update(audits)
        .where(
            audits.c.tenant_id == ticket.tenant, audits.c.id == ticket.audit_id, audits.c.state.not_in(TERMINAL_AUDITS)
        )
        .values(finished_at=now(), **values)
        .returning(audits.c.state)
    ).scalar_one()
    stages.cancel_units(connection, ticket.tenant, ticket.audit_id, ("waiting", "queued", "leased"))
    endings.note(connection, ticket.tenant, ticket.audit_id)
    return state
