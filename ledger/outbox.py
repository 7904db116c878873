"""Messages that still have to reach the broker, written in the transaction that made them necessary.

A message says only which unit may be claimed. Losing one loses nothing: the sweeper rings again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, Connection, Select, and_, delete, exists, insert, or_, select, tuple_, update

from ledger.database import Ledger, now
from ledger.schema import outbox, units


@dataclass(frozen=True)
class Message:
    """A doorbell for one unit; ``attempt`` counts from 1 and says which one it asks for."""

    id: int
    tenant: str
    audit_id: str
    unit_id: str
    attempt: int


def ring(connection: Connection, tenant: str, audit_id: str, unit_ids: list[str], attempt: int) -> None:
    """Ask for these units to be announced."""
    if unit_ids:
        rows = [
            {"tenant_id": tenant, "audit_id": audit_id, "unit_id": unit_id, "attempt": attempt} for unit_id in unit_ids
        ]
        connection.execute(insert(outbox).values(created_at=now()), rows)


def claim(connection: Connection, limit: int, seconds: float) -> list[Message]:
    """Take up to ``limit`` messages for ``seconds``; other publishers leave them alone meanwhile."""
    free = or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until < now())
    chosen = _first(connection, select(outbox.c.id).where(free).order_by(outbox.c.id), limit)
    rows = connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(select(chosen.c.id)))
        .values(claimed_until=now() + seconds)
        .returning(outbox.c.id, outbox.c.tenant_id, outbox.c.audit_id, outbox.c.unit_id, outbox.c.attempt)
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
    """Announce queued units that nobody claimed for so long and that have no message waiting; how many."""
    overdue = and_(units.c.state == "queued", units.c.queued_at < now() - unclaimed_seconds)
    announced = exists().where(outbox.c.tenant_id == units.c.tenant_id, outbox.c.unit_id == units.c.id)
    silent = select(units.c.tenant_id, units.c.id).where(overdue, ~announced).order_by(units.c.queued_at)
    chosen = _first(connection, silent, limit)
    rows = connection.execute(
        update(units)
        .where(tuple_(units.c.tenant_id, units.c.id).in_(select(chosen.c.tenant_id, chosen.c.id)))
        .values(queued_at=now())
        .returning(units.c.tenant_id, units.c.audit_id, units.c.id, units.c.attempt)
    ).all()
    for row in rows:
        ring(connection, row.tenant_id, row.audit_id, [row.id], row.attempt + 1)
    return len(rows)


def _first(connection: Connection, rows: Select[Any], limit: int) -> CTE:
    """The first ``limit`` of these rows that nobody else is just taking."""
    rows = rows.limit(limit)
    if connection.dialect.name == "postgresql":
        # Without the CTE it may run the query again for every row it joins, each time finding others unlocked.
        rows = rows.with_for_update(skip_locked=True)
    return rows.cte("chosen")
