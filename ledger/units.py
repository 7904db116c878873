"""Units of work: owned by a lease with a fencing token, so that a late write of a lost worker can change nothing."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, and_, or_, select, update

from ledger import events, holdings, stages, turns
from ledger.database import now
from ledger.errors import StaleFence
from ledger.evidence import Kept
from ledger.moves import TICKET, Conclusion, Ticket, bury, conclude, end, held, requeue, stop, wanted, where
from ledger.schema import audits, units

__all__ = [
    "MOST_ATTEMPTS",
    "Conclusion",
    "Ticket",
    "abandon",
    "claim",
    "claim_next",
    "expire_leases",
    "fail",
    "finish",
    "give_back",
    "renew",
]

MOST_ATTEMPTS = 3
UNSEEN_SECONDS = 600.0
"""A lease that ran out longer ago than this had nobody to see it: a clock was set, or the ledger stood still."""
_MOST_ROUNDS = 10
_LAPSED = and_(units.c.state == "leased", units.c.lease_expires_at < now())


def claim_next(
    connection: Connection,
    *,
    owner: str,
    engine: str,
    families: Collection[str] | None,
    lease_seconds: float,
    hard_seconds: float,
) -> Ticket | None:
    """Take the unit whose turn it is, of any tenant and audit (``ledger.turns`` says whose). None when there is none.

    ``families`` are the families of models this worker serves, None for all of them. A message of the outbox is only
    the bell: whichever unit it names, answer it with this, and again after each unit until nothing is left. The rules
    of ``claim`` hold; a unit whose lease has run out has to be queued again by the sweeper first.
    """
    for _ in range(_MOST_ROUNDS):
        offered = turns.next_audits(connection, engine=engine, families=families)
        for tenant, audit_id in offered:
            # A savepoint: an audit that turns out to have nothing left is unlocked before another is locked.
            with connection.begin_nested() as attempt:
                events.lock(connection, tenant, audit_id)
                first = connection.execute(select(turns.first_unit(tenant, audit_id))).scalar_one()
                ticket = first and claim(
                    connection,
                    tenant,
                    first,
                    owner=owner,
                    engine=engine,
                    lease_seconds=lease_seconds,
                    hard_seconds=hard_seconds,
                )
                if ticket:
                    return ticket
                attempt.rollback()
        if not offered:
            return None
    return None


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
    """Take this queued unit, or take it over when its lease has run out. None when it is not there to be taken.

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
        .returning(*TICKET)
    ).one_or_none()
    if row is None:
        return None
    ticket = Ticket(*row)
    its_audit = and_(audits.c.tenant_id == tenant, audits.c.id == ticket.audit_id)
    connection.execute(update(audits).where(its_audit).values(served_at=now()))
    events.record(connection, tenant, ticket.audit_id, "unit.started", where(ticket))
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
        .where(held(ticket), units.c.hard_deadline_at > now())
        .values(lease_expires_at=now() + lease_seconds, progress=progress)
        .returning(units.c.id)
    ).one_or_none()
    if renewed is None:
        raise StaleFence(f"unit {ticket.unit_id} is no longer held under fence {ticket.fence}")
    return wanted(state, ticket)


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
    end(connection, ticket, state="done", result=result, progress=1.0)
    holdings.hold(connection, ticket.tenant, ticket.audit_id, ticket.unit_id, kept)
    events.record(connection, ticket.tenant, ticket.audit_id, "unit.done", where(ticket))
    if planned and state == "running":
        stages.plan(connection, ticket.tenant, ticket.audit_id, planned)
    if conclusion is not None:
        conclude(connection, ticket, conclusion)
    stages.close_units(connection, ticket.tenant, ticket.audit_id, ticket.stage, 1)


def fail(connection: Connection, ticket: Ticket, *, code: str, detail: str, again: bool) -> None:
    """Give the unit back for another attempt, or end it with its code; a critical unit ends the audit too.

    Raises StaleFence when the lease has passed on.
    """
    state = events.lock(connection, ticket.tenant, ticket.audit_id).state
    if again and ticket.attempt < MOST_ATTEMPTS and wanted(state, ticket):
        requeue(connection, ticket, "unit.retried", attempts=ticket.attempt, code=code)
    else:
        bury(connection, ticket, state, code, detail)


def give_back(connection: Connection, ticket: Ticket) -> None:
    """Return an unfinished unit at a graceful shutdown: the attempt does not count.

    Raises StaleFence when the lease has passed on.
    """
    state = events.lock(connection, ticket.tenant, ticket.audit_id).state
    if wanted(state, ticket):
        requeue(connection, ticket, "unit.returned", attempts=ticket.attempt - 1)
    else:
        stop(connection, ticket)


def abandon(connection: Connection, ticket: Ticket) -> None:
    """Stop a unit because its audit is being cancelled. Raises StaleFence when the lease has passed on."""
    events.lock(connection, ticket.tenant, ticket.audit_id)
    stop(connection, ticket)


def expire_leases(connection: Connection, limit: int = 100) -> int:
    """Take back units whose lease ran out: queue them again, or end those out of attempts. How many.

    An attempt counts against the unit when its lease ran out before the sweeper's eyes, as a killed worker's does. One
    that had run out long ago says nothing about the unit (docs/decisions/0017-a-set-clock-costs-no-attempt.md).
    """
    # By audit, so that two sweepers lock audits in the same order.
    lapsed = select(*TICKET).where(_LAPSED).order_by(units.c.tenant_id, units.c.audit_id, units.c.ordinal).limit(limit)
    tickets = [Ticket(*row) for row in connection.execute(lapsed)]
    return sum(_expire(connection, ticket) for ticket in tickets)


def _expire(connection: Connection, ticket: Ticket) -> bool:
    state = events.lock(connection, ticket.tenant, ticket.audit_id).state
    # Between the look and the lock its holder may have renewed it, or another sweeper taken it.
    unseen = select(units.c.lease_expires_at < now() - UNSEEN_SECONDS).where(held(ticket), _LAPSED)
    uncounted = connection.execute(unseen).scalar_one_or_none()
    if uncounted is None:
        return False
    attempts = ticket.attempt - int(uncounted)
    if not wanted(state, ticket):
        stop(connection, ticket)
    elif attempts < MOST_ATTEMPTS:
        requeue(connection, ticket, "unit.lost", attempts=attempts)
    else:
        detail = f"{ticket.attempt} workers in turn stopped renewing their lease on this unit"
        bury(connection, ticket, state, "WORKER_LOST", detail)
    return True
