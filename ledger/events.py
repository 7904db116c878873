"""What happened to an audit, in order. Sequence numbers come from the audit's own row, so that they have no gaps."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from sqlalchemy import JSON, Connection, Select, TableValuedAlias, and_, bindparam, column, func, insert, select, update

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


@dataclass(frozen=True)
class Mark:
    """How far an audit is: its state, its revision, and the number of its last event."""

    state: str
    revision: int
    last_seq: int


@dataclass(frozen=True)
class Position:
    """How far somebody has followed an audit; a ``revision`` of -1 is that of nobody who has seen any."""

    tenant: str
    audit_id: str
    seq: int
    revision: int = -1


@dataclass(frozen=True)
class News:
    """What an audit has come to since a position: the next events, oldest first, and how far it is."""

    mark: Mark
    events: list[Event]


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


def marks(connection: Connection, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], Mark]:
    """How far each of these (tenant, audit id) is, in one read by primary key; those that do not exist are left out."""
    rows = connection.execute(select_marks(connection.dialect.name), {"listed": [list(key) for key in set(wanted)]})
    return {(row[0], row[1]): Mark(*row[2:]) for row in rows}


def news(connection: Connection, positions: Sequence[Position], most: int = 500) -> dict[Position, News]:
    """What is new at these positions, in one read by primary key; those where nothing is new are left out.

    Up to ``most`` events of each audit: numbers have no gaps, so that a range of them bounds their count.
    """
    listed = [[p.tenant, p.audit_id, p.seq, p.revision, place] for place, p in enumerate(positions)]
    rows = connection.execute(_news(connection.dialect.name), {"listed": listed, "most": most})
    found = {}
    for place, group in groupby(rows, key=lambda row: int(row[0])):
        together = list(group)
        told = [Event(*row[4:]) for row in together if row[4] is not None]
        found[positions[place]] = News(Mark(*together[0][1:4]), told)
    return found


_MARK = (audits.c.state, audits.c.revision, audits.c.event_seq)


@cache
def select_marks(dialect: str) -> Select[Any]:
    """What ``marks`` asks, with one parameter, ``listed``: an array of (tenant, audit id)."""
    listed = unfolded(dialect)
    return select(audits.c.tenant_id, audits.c.id, *_MARK).select_from(listed.join(audits, _names(listed)))


@cache
def _news(dialect: str) -> Select[Any]:
    listed = unfolded(dialect)
    seq, revision, place = (listed.c.value[n].as_integer() for n in (2, 3, 4))
    following = and_(
        events.c.tenant_id == audits.c.tenant_id,
        events.c.audit_id == audits.c.id,
        events.c.seq > seq,
        events.c.seq <= seq + bindparam("most"),
    )
    return (
        select(place, *_MARK, events.c.seq, events.c.type, events.c.data, events.c.at)
        .select_from(listed.join(audits, _names(listed)).outerjoin(events, following))
        .where(audits.c.revision != revision)
        .order_by(place, events.c.seq)
    )


def _names(listed: TableValuedAlias) -> Any:
    name = listed.c.value
    return and_(audits.c.tenant_id == name[0].as_string(), audits.c.id == name[1].as_string())


def unfolded(dialect: str) -> TableValuedAlias:
    """The rows of the parameter ``listed``, an array of arrays: one statement, however many there are."""
    function = func.json_each if dialect == "sqlite" else func.json_array_elements
    return function(bindparam("listed", type_=JSON)).table_valued(column("value", JSON), name="listed")
