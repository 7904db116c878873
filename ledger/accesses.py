"""The log of accesses: who administered what, and who read which evidence, each row bound to the one before it.

    hash_n = SHA-256(canonical JSON of [hash_{n-1}, tenant, n, at, actor, action, subject])       hash_0 = 0…0

Each tenant has a chain of its own, numbered without gaps. To change, remove or insert a row, all that follow it have to
be written anew; whoever noted a ``Head`` elsewhere then sees that too, and that the end was cut off. Nothing of what
was sent is in it: no prompts, no images, no keys, only ids.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select

from ledger.database import now
from ledger.errors import AccessLogBroken
from ledger.schema import accesses

BEGINNING = "0" * 64
AT_A_TIME = 1000


@dataclass(frozen=True)
class Access:
    """One row: the ``actor`` is the id of a key, ``init`` for the command of that name, ``keyless`` for anybody."""

    tenant: str
    seq: int
    at: float
    actor: str
    action: str
    subject: str
    previous: str
    hash: str


@dataclass(frozen=True)
class Head:
    """The last row of a chain; ``Head(0, "0…0")`` of an empty one."""

    seq: int
    hash: str


EMPTY = Head(0, BEGINNING)


def append(connection: Connection, tenant: str, *, actor: str, action: str, subject: str) -> Head:
    """Add a row, in the transaction of what it tells of: what cannot be recorded is not done.

    Who appends to a chain waits for whoever does at the moment: on SQLite every writer does, on PostgreSQL by a lock of
    the tenant's. Without it the primary key would refuse the second row of a number: a chain never forks.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(tenant, 2507168802))))
    last = head(connection, tenant)
    at: float = connection.execute(select(now())).scalar_one()
    seq = last.seq + 1
    link = hashed(last.hash, tenant, seq, at=at, actor=actor, action=action, subject=subject)
    told = {"at": at, "actor": actor, "action": action, "subject": subject}
    connection.execute(insert(accesses).values(tenant_id=tenant, seq=seq, **told, previous=last.hash, hash=link))
    return Head(seq, link)


def hashed(previous: str, tenant: str, seq: int, *, at: float, actor: str, action: str, subject: str) -> str:
    """A row's hash."""
    words = [previous, tenant, seq, at, actor, action, subject]
    return hashlib.sha256(json.dumps(words, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def head(connection: Connection, tenant: str) -> Head:
    """The last row, for somebody to note where the ledger's owner cannot change it."""
    row = connection.execute(
        select(accesses.c.seq, accesses.c.hash)
        .where(accesses.c.tenant_id == tenant)
        .order_by(accesses.c.seq.desc())
        .limit(1)
    ).one_or_none()
    return EMPTY if row is None else Head(*row)


def after(connection: Connection, tenant: str, seq: int, *, limit: int = AT_A_TIME) -> list[Access]:
    """The rows behind this number, oldest first."""
    rows = connection.execute(
        select(accesses)
        .where(accesses.c.tenant_id == tenant, accesses.c.seq > seq)
        .order_by(accesses.c.seq)
        .limit(limit)
    )
    return [Access(*row) for row in rows]


def verify(connection: Connection, tenant: str, *, noted: Head = EMPTY) -> Head:
    """Go through the whole chain; its head. Raises AccessLogBroken, naming the first row that is not right.

    ``noted`` is a head of before, which has to be in the chain still.
    """
    last = EMPTY
    for row in _every(connection, tenant):
        its = hashed(
            last.hash, tenant, last.seq + 1, at=row.at, actor=row.actor, action=row.action, subject=row.subject
        )
        if (row.seq, row.previous, row.hash) != (last.seq + 1, last.hash, its):
            raise AccessLogBroken(f"the access log of {tenant} is not what was written from row {last.seq + 1} on")
        last = Head(row.seq, row.hash)
        if last.seq == noted.seq and last.hash != noted.hash:
            raise AccessLogBroken(f"row {noted.seq} of the access log of {tenant} is not the one that was noted")
    if last.seq < noted.seq:
        raise AccessLogBroken(f"the access log of {tenant} ends at row {last.seq}, before the noted {noted.seq}")
    return last


def tenants(connection: Connection) -> list[str]:
    """Whose chains there are."""
    return list(connection.execute(select(accesses.c.tenant_id).distinct().order_by(accesses.c.tenant_id)).scalars())


def _every(connection: Connection, tenant: str) -> Iterator[Access]:
    seq = 0
    while rows := after(connection, tenant, seq):
        yield from rows
        seq = rows[-1].seq
