"""What happened to an audit, in order. Sequence numbers come from the audit's own row, so that they have no gaps."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from ledger.database import now
from ledger.schema import audits, events


@dataclass(frozen=True)
class Event:
    """One line of an audit's history."""

    seq: int
    type: str
    data: dict[str, Any]
    at: float


@dataclass(frozen=True)
class Standing:
    """An audit's state, and the engine it belongs to once it has begun."""

    state: str
    engine: str | None


def lock(connection: Connection, tenant: str, audit_id: str) -> Standing:
    """Hold the audit's row until the transaction ends.

    Every transaction that moves an audit or its units begins with this (or with another UPDATE of that row), so that
    on PostgreSQL, as on SQLite, they follow one another and never wait for each other in a circle.
    """
    row = connection.execute(
        update(audits)
        .where(audits.c.tenant_id == tenant, audits.c.id == audit_id)
        .values(revision=audits.c.revision)
        .returning(audits.c.state, audits.c.engine)
    ).one()
    return Standing(row.state, row.engine)


def record(connection: Connection, tenant: str, audit_id: str, type: str, data: dict[str, Any]) -> int:
    """Append an event and advance the audit's revision; returns its sequence number."""
    seq: int = connection.execute(
        update(audits)
        .where(audits.c.tenant_id == tenant, audits.c.id == audit_id)
        .values(event_seq=audits.c.event_seq + 1, revision=audits.c.revision + 1)
        .returning(audits.c.event_seq)
    ).scalar_one()
    connection.execute(
        insert(events).values(tenant_id=tenant, audit_id=audit_id, seq=seq, type=type, data=data, at=now())
    )
    return seq


def after(connection: Connection, tenant: str, audit_id: str, seq: int, limit: int = 1000) -> list[Event]:
    """The events that follow ``seq``, oldest first."""
    rows = connection.execute(
        select(events.c.seq, events.c.type, events.c.data, events.c.at)
        .where(events.c.tenant_id == tenant, events.c.audit_id == audit_id, events.c.seq > seq)
        .order_by(events.c.seq)
        .limit(limit)
    )
    return [Event(*row) for row in rows]
