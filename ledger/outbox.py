"""Messages that still have to reach the broker, written in the transaction that made them necessary.

A message says only which unit may be claimed. Losing one loses nothing: the sweeper rings again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, Connection, Select, Table, and_, delete, exists, func, insert, or_, select, tuple_, update

from ledger.database import Ledger, now
from ledger.schema import OPEN_AUDITS, audits, outbox, units


@dataclass(frozen=True)
class Message:
    """A doorbell for one unit; ``attempt`` counts from 1 and says which one it asks for.

    ``family`` is that of the audit's model, so that the bell can be rung where workers for it listen; None if nobody
    has published the model, or if anyone may take the unit.
    """

    id: int
    tenant: str
    audit_id: str
    unit_id: str
    attempt: int
    family: str | None = None


_MOST_PATIENCE = 16
_MESSAGE = (outbox.c.id, outbox.c.tenant_id, outbox.c.audit_id, outbox.c.unit_id, outbox.c.attempt, outbox.c.family)


def ring(connection: Connection, tenant: str, audit_id: str, unit_ids: list[str], attempt: int) -> None:
    """Ask for these units to be announced; once the audit is being cancelled, to workers of any family."""
    if unit_ids:
        rows = [
            {"tenant_id": tenant, "audit_id": audit_id, "unit_id": unit_id, "attempt": attempt} for unit_id in unit_ids
        ]
        of_audit = and_(audits.c.tenant_id == tenant, audits.c.id == audit_id)
        family = select(audits.c.family).where(of_audit, audits.c.state != "cancelling").scalar_subquery()
        connection.execute(insert(outbox).values(created_at=now(), family=family), rows)


def claim(connection: Connection, limit: int, seconds: float) -> list[Message]:
    """Take up to ``limit`` messages for ``seconds``; other publishers leave them alone meanwhile."""
    free = or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until < now())
    chosen = _first(connection, select(outbox.c.id).where(free).order_by(outbox.c.id), limit, of=outbox)
    rows = connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(select(chosen.c.id)))
        .values(claimed_until=now() + seconds)
        .returning(*_MESSAGE)
    )
    return sorted((Message(*row) for row in rows), key=lambda message: message.id)


def published(connection: Connection, messages: list[Message]) -> None:
    """These messages are with the broker."""
    if messages:
        connection.execute(delete(outbox).where(outbox.c.id.in_([message.id for message in messages])))


def empty(ledger: Ledger, publish: Callable[[Message], None], *, batch: int, seconds: float) -> int:
    """Publish up to ``batch`` messages; how many. Those that could not be are free again after ``seconds``."""
    with ledger.writing() as connection:
        claimed = claim(connection, batch, seconds)
    sent: list[Message] = []
    try:
        for message in claimed:
            publish(message)
            sent.append(message)
    finally:
        if sent:
            with ledger.writing() as connection:
                published(connection, sent)
    return len(sent)


def ring_again(connection: Connection, unclaimed_seconds: float, limit: int = 1000) -> int:
    """Announce again what the broker seems to have lost: up to ``limit`` units of each silent family; how many.

    A family of models is silent when units of it have been queued for ``unclaimed_seconds`` without a message waiting
    and meanwhile none was claimed and none is held: whoever is at work will ask for more. A family that stays silent
    is rung again after twice the time, up to ``_MOST_PATIENCE`` times; those go first that were rung least recently.
    """
    return sum(
        _ring_family(connection, family, unclaimed_seconds, limit)
        for family in _silent_families(connection, unclaimed_seconds)
    )


def _silent_families(connection: Connection, unclaimed_seconds: float) -> list[str | None]:
    """The families of open audits that were not served for so long and of which nobody holds a unit."""
    its_audit = and_(audits.c.tenant_id == units.c.tenant_id, audits.c.id == units.c.audit_id)
    held = (
        select(audits.c.family)
        .join(units, its_audit)
        .where(units.c.state == "leased", units.c.lease_expires_at > now())
    )
    busy = set(connection.execute(held.distinct()).scalars())
    unserved = (
        select(audits.c.family)
        .where(audits.c.state.in_(OPEN_AUDITS))
        .group_by(audits.c.family)
        .having(func.coalesce(func.max(audits.c.served_at), 0.0) < now() - unclaimed_seconds)
        .order_by(audits.c.family)
    )
    return [family for family in connection.execute(unserved).scalars() if family not in busy]


def _ring_family(connection: Connection, family: str | None, unclaimed_seconds: float, limit: int) -> int:
    its_audit = and_(audits.c.tenant_id == units.c.tenant_id, audits.c.id == units.c.audit_id)
    overdue = (
        select(units.c.tenant_id, units.c.id)
        .join(audits, its_audit)
        .where(units.c.state == "queued", units.c.queued_at < now() - unclaimed_seconds)
        .where(audits.c.family.is_not_distinct_from(family))
    )
    silence = overdue.with_only_columns(func.min(units.c.queued_at), func.max(units.c.rung_at), now())
    first_queued, last_rung, at = connection.execute(silence).one()
    if first_queued is None or not _due(at, first_queued, last_rung, unclaimed_seconds):
        return 0
    announced = exists().where(outbox.c.tenant_id == units.c.tenant_id, outbox.c.unit_id == units.c.id)
    in_turn = overdue.where(~announced).order_by(
        func.coalesce(units.c.rung_at, 0.0), units.c.queued_at, units.c.ordinal
    )
    chosen = _first(connection, in_turn, limit, of=units)
    rows = connection.execute(
        update(units)
        .where(tuple_(units.c.tenant_id, units.c.id).in_(select(chosen.c.tenant_id, chosen.c.id)))
        .values(rung_at=select(now()).scalar_subquery())
        .returning(units.c.tenant_id, units.c.audit_id, units.c.id, units.c.attempt, units.c.queued_at, units.c.ordinal)
    ).all()
    for row in sorted(rows, key=lambda row: (row.queued_at, row.ordinal)):
        ring(connection, row.tenant_id, row.audit_id, [row.id], row.attempt + 1)
    return len(rows)


def _due(at: float, first_queued: float, last_rung: float | None, unclaimed_seconds: float) -> bool:
    """Whether the silence has lasted twice as long as when it was last rung; t − r ≥ clamp(r − q, u, 16 u)."""
    if last_rung is None:
        return True
    patience = min(max(last_rung - first_queued, unclaimed_seconds), _MOST_PATIENCE * unclaimed_seconds)
    return at - last_rung >= patience


def _first(connection: Connection, rows: Select[Any], limit: int, *, of: Table) -> CTE:
    """The first ``limit`` of these rows that nobody else is just taking."""
    rows = rows.limit(limit)
    if connection.dialect.name == "postgresql":
        # Without the CTE it may run the query again for every row it joins, each time finding others unlocked.
        rows = rows.with_for_update(skip_locked=True, of=of)
    return rows.cte("chosen")
