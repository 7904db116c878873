"""Units of work: owned by a lease with a fencing token, so that a late write of a lost worker can change nothing."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, update

from ledger import events, outbox, stages
from ledger.database import now
from ledger.errors import StaleFence
from ledger.evidence import Kept
from ledger.schema import TERMINAL_AUDITS, audits, evidence, units

MOST_ATTEMPTS = 3
_LAPSED = and_(units.c.state == "leased", units.c.lease_expires_at < now())


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


_TICKET = (
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


@dataclass(frozen=True)
class Conclusion:
    """What the last unit of an audit brings: the report and its digests."""

    outcome: str
    result_digest: str
    report_digest: str


def claim(
    connection: Connection,
    tenant: str,
    unit_id: str,
    *,
    owner: str,
    engine: str,
    lease_seconds: float,
    hard_seconds: float,
) -> Ticket | None:
    """Take a queued unit, or one whose lease has run out. None when there is nothing to take.

    An audit belongs to the engine that began it; a worker with another engine leaves its units alone. Once an audit
    is being cancelled only its report can be taken, by any engine, since it has to end even if its own engine is gone.
    """
    mine = and_(units.c.tenant_id == tenant, units.c.id == unit_id)
    found = connection.execute(select(units.c.audit_id, units.c.kind).where(mine)).one_or_none()
    if found is None or not _begin(connection, tenant, found.audit_id, found.kind, engine):
        return None
    row = connection.execute(
        update(units)
        .where(mine, or_(units.c.state == "queued", _LAPSED), units.c.attempt < MOST_ATTEMPTS)
        .values(
            state="leased",
            owner=owner,
            attempt=units.c.attempt + 1,
            fence=units.c.fence + 1,
            leased_at=now(),
            lease_expires_at=now() + lease_seconds,
            hard_deadline_at=now() + hard_seconds,
            progress=0.0,
        )
        .returning(*_TICKET)
    ).one_or_none()
    if row is None:
        return None
    ticket = Ticket(*row)
    events.record(connection, tenant, ticket.audit_id, "unit.started", _where(ticket))
    return ticket


def _begin(connection: Connection, tenant: str, audit_id: str, kind: str, engine: str) -> bool:
    """Whether this engine may work on such a unit of the audit now; starts the audit if it is still queued."""
    standing = events.lock(connection, tenant, audit_id)
    if standing.state == "queued":
        connection.execute(
            update(audits)
            .where(audits.c.tenant_id == tenant, audits.c.id == audit_id)
            .values(state="running", started_at=now(), engine=engine)
        )
        events.record(connection, tenant, audit_id, "audit.running", {})
        return True
    if standing.state == "cancelling":
        return kind == "report"
    return standing.state == "running" and standing.engine == engine


def renew(connection: Connection, ticket: Ticket, *, lease_seconds: float, progress: float) -> bool:
    """Extend the lease and note progress (0 to 1). False when the audit is being cancelled: stop soon.

    Raises StaleFence when the unit has passed to somebody else or its hard deadline is over.
    """
    state = connection.execute(
        update(audits)
        .where(audits.c.tenant_id == ticket.tenant, audits.c.id == ticket.audit_id)
        .values(revision=audits.c.revision + 1)
        .returning(audits.c.state)
    ).scalar_one()
    renewed = connection.execute(
        update(units)
        .where(_held(ticket), units.c.hard_deadline_at > now())
        .values(lease_expires_at=now() + lease_seconds, progress=progress)
        .returning(units.c.id)
    ).one_or_none()
    if renewed is None:
        raise StaleFence(f"unit {ticket.unit_id} is no longer held under fence {ticket.fence}")
    return _wanted(state, ticket)


def finish(
    connection: Connection,
    ticket: Ticket,
    result: dict[str, Any],
    kept: list[Kept],
    *,
    planned: list[stages.StagePlan] | None = None,
    conclusion: Conclusion | None = None,
) -> None:
    """Write the unit's result, plan what it planned, release what waited for it; all or nothing.

    Once the audit is being cancelled nothing more is planned. Raises StaleFence when the lease has passed on.
    """
    state = events.lock(connection, ticket.tenant, ticket.audit_id).state
    _end(connection, ticket, state="done", result=result, progress=1.0)
    _keep(connection, ticket, kept)
    events.record(connection, ticket.tenant, ticket.audit_id, "unit.done", _where(ticket))
    if planned and state == "running":
        stages.plan(connection, ticket.tenant, ticket.audit_id, planned)
    if conclusion is not None:
        _conclude(connection, ticket, conclusion)
    stages.close_units(connection, ticket.tenant, ticket.audit_id, ticket.stage, 1)


def _keep(connection: Connection, ticket: Ticket, kept: list[Kept]) -> None:
    for blob in kept:
        connection.execute(
            insert(evidence).values(
                tenant_id=ticket.tenant,
                audit_id=ticket.audit_id,
                unit_id=ticket.unit_id,
                name=blob.name,
                kind=blob.kind,
                digest=blob.digest,
                media_type=blob.media_type,
                size=blob.size,
                created_at=now(),
            )
        )


def fail(connection: Connection, ticket: Ticket, *, code: str, detail: str, again: bool) -> None:
    """Give the unit back for another attempt, or end it with its code; a critical unit ends the audit too.

    Raises StaleFence when the lease has passed on.
    """
    state = events.lock(connection, ticket.tenant, ticket.audit_id).state
    if again and ticket.attempt < MOST_ATTEMPTS and _wanted(state, ticket):
        _requeue(connection, ticket, "unit.retried", attempts=ticket.attempt, code=code)
    else:
        _bury(connection, ticket, state, code, detail)


def give_back(connection: Connection, ticket: Ticket) -> None:
    """Return an unfinished unit at a graceful shutdown: the attempt does not count.

    Raises StaleFence when the lease has passed on.
    """
    state = events.lock(connection, ticket.tenant, ticket.audit_id).state
    if _wanted(state, ticket):
        _requeue(connection, ticket, "unit.returned", attempts=ticket.attempt - 1)
    else:
        _stop(connection, ticket)


def abandon(connection: Connection, ticket: Ticket) -> None:
    """Stop a unit because its audit is being cancelled. Raises StaleFence when the lease has passed on."""
    events.lock(connection, ticket.tenant, ticket.audit_id)
    _stop(connection, ticket)


def expire_leases(connection: Connection, limit: int = 100) -> int:
    """Take back units whose lease ran out: queue them again, or end those out of attempts. How many."""
    # By audit, so that two sweepers lock audits in the same order.
    lapsed = select(*_TICKET).where(_LAPSED).order_by(units.c.tenant_id, units.c.audit_id, units.c.ordinal).limit(limit)
    tickets = [Ticket(*row) for row in connection.execute(lapsed)]
    return sum(_expire(connection, ticket) for ticket in tickets)


def _expire(connection: Connection, ticket: Ticket) -> bool:
    state = events.lock(connection, ticket.tenant, ticket.audit_id).state
    # Between the look and the lock its holder may have renewed it, or another sweeper taken it.
    if connection.execute(select(units.c.id).where(_held(ticket), _LAPSED)).one_or_none() is None:
        return False
    if not _wanted(state, ticket):
        _stop(connection, ticket)
    elif ticket.attempt < MOST_ATTEMPTS:
        _requeue(connection, ticket, "unit.lost", attempts=ticket.attempt)
    else:
        detail = f"{ticket.attempt} workers in turn stopped renewing their lease on this unit"
        _bury(connection, ticket, state, "WORKER_LOST", detail)
    return True


def _wanted(state: str, ticket: Ticket) -> bool:
    """Whether the audit, in this state, still has a use for the unit."""
    return state == "running" or ticket.kind == "report"


def _held(ticket: Ticket) -> ColumnElement[bool]:
    return and_(
        units.c.tenant_id == ticket.tenant,
        units.c.id == ticket.unit_id,
        units.c.state == "leased",
        units.c.fence == ticket.fence,
    )


def _end(connection: Connection, ticket: Ticket, **values: Any) -> None:
    """Move a held unit on; StaleFence when it is not held any more."""
    values.setdefault("finished_at", now())
    moved = connection.execute(update(units).where(_held(ticket)).values(**values).returning(units.c.id)).one_or_none()
    if moved is None:
        raise StaleFence(f"unit {ticket.unit_id} is no longer held under fence {ticket.fence}")


def _where(ticket: Ticket) -> dict[str, Any]:
    return {"stage": ticket.stage, "ordinal": ticket.ordinal, "attempt": ticket.attempt}


def _requeue(connection: Connection, ticket: Ticket, type: str, *, attempts: int, **data: str) -> None:
    _end(
        connection,
        ticket,
        state="queued",
        attempt=attempts,
        queued_at=now(),
        owner=None,
        lease_expires_at=None,
        finished_at=None,
        progress=0.0,
    )
    events.record(connection, ticket.tenant, ticket.audit_id, type, {**_where(ticket), **data})
    outbox.ring(connection, ticket.tenant, ticket.audit_id, [ticket.unit_id], attempts + 1)


def _stop(connection: Connection, ticket: Ticket) -> None:
    _end(connection, ticket, state="cancelled")
    events.record(connection, ticket.tenant, ticket.audit_id, "unit.cancelled", _where(ticket))
    stages.close_units(connection, ticket.tenant, ticket.audit_id, ticket.stage, 1)


def _bury(connection: Connection, ticket: Ticket, state: str, code: str, detail: str) -> None:
    _end(connection, ticket, state="failed", error=code, detail=detail)
    events.record(connection, ticket.tenant, ticket.audit_id, "unit.failed", {**_where(ticket), "code": code})
    critical = select(units.c.critical).where(units.c.tenant_id == ticket.tenant, units.c.id == ticket.unit_id)
    if connection.execute(critical).scalar_one() and _wanted(state, ticket):
        _close(connection, ticket, state="failed", outcome="error", error=code, detail=detail)
        events.record(connection, ticket.tenant, ticket.audit_id, "audit.failed", {"code": code})
    stages.close_units(connection, ticket.tenant, ticket.audit_id, ticket.stage, 1)


def _conclude(connection: Connection, ticket: Ticket, conclusion: Conclusion) -> None:
    state = _close(
        connection,
        ticket,
        state=audits.c.ending,
        outcome=conclusion.outcome,
        result_digest=conclusion.result_digest,
        report_digest=conclusion.report_digest,
    )
    events.record(connection, ticket.tenant, ticket.audit_id, f"audit.{state}", {"outcome": conclusion.outcome})


def _close(connection: Connection, ticket: Ticket, **values: Any) -> str:
    """End the audit, and with it every unit still open, held ones too; the state it ended in.

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
    return state
