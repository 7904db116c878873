"""Which workers are there, what they can run, and when each was last seen. Claims do not depend on it."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from ledger.database import now, upsert
from ledger.schema import workers

LIVE_SECONDS = 30.0
"""A worker that was not seen for so long is not counted on; workers say every few seconds that they are there."""


@dataclass(frozen=True)
class WorkerRow:
    """A worker process: the owner its leases name, its engine, the families of models it serves."""

    owner: str
    engine: str
    families: list[str]
    seen_at: float


def seen(connection: Connection, tenant: str, *, owner: str, engine: str, families: Collection[str]) -> None:
    """The worker is there now; it says so again and again while it lives."""
    fresh = {"engine": engine, "families": sorted(families), "seen_at": now()}
    connection.execute(
        upsert(connection, workers)
        .values(tenant_id=tenant, owner=owner, **fresh)
        .on_conflict_do_update(index_elements=["tenant_id", "owner"], set_=fresh)
    )


def gone(connection: Connection, tenant: str, *, owner: str) -> None:
    """The worker takes its leave."""
    connection.execute(delete(workers).where(workers.c.tenant_id == tenant, workers.c.owner == owner))


def present(connection: Connection, tenant: str, *, within_seconds: float) -> list[WorkerRow]:
    """The workers seen within so many seconds, by owner."""
    rows = connection.execute(
        select(workers.c.owner, workers.c.engine, workers.c.families, workers.c.seen_at)
        .where(workers.c.tenant_id == tenant, workers.c.seen_at > now() - within_seconds)
        .order_by(workers.c.owner)
    )
    return [WorkerRow(*row) for row in rows]


def forget(connection: Connection, *, unseen_seconds: float) -> int:
    """Drop those not seen for so long, of every tenant; how many."""
    return connection.execute(delete(workers).where(workers.c.seen_at < now() - unseen_seconds)).rowcount
