"""What an audit waits for while nobody works on it: a worker, one for its family, its own engine, or its turn.

An audit waits when units of it are queued and none is held. The first of these that holds is the reason:

    NO_WORKER              no worker is there
    NO_WORKER_FOR_FAMILY   none of those there serves the model's family
    ENGINE_GONE            none of those has the engine that began the audit, whose numbers alone may be mixed
    QUEUED                 so many other audits go first (``ledger.turns``)
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, exists, select

from ledger import turns, workers
from ledger.catalogue import HOME
from ledger.schema import OPEN_AUDITS, audits, units
from ledger.workers import LIVE_SECONDS, WorkerRow

MOST_AHEAD = 1000
"""Beyond so many audits nobody is counted."""


@dataclass(frozen=True)
class Waiting:
    """The reason; the family no worker serves, the engine no worker has, or how many audits go first."""

    reason: str
    family: str | None = None
    engine: str | None = None
    position: int | None = None


def of(connection: Connection, tenant: str, audit_id: str, live_seconds: float = LIVE_SECONDS) -> Waiting | None:
    """None while somebody works on the audit, and when nothing of it is queued, as after its end."""
    return of_several(connection, tenant, [audit_id], live_seconds).get(audit_id)


def of_several(
    connection: Connection, tenant: str, audit_ids: Sequence[str], live_seconds: float = LIVE_SECONDS
) -> dict[str, Waiting]:
    """The same of several audits, by id, for little more than one costs; those that do not wait are left out."""
    idle = _idle(connection, tenant, audit_ids)
    there = workers.present(connection, HOME, within_seconds=live_seconds) if idle else []
    line = Line(connection)
    return {audit_id: _reason(tenant, audit_id, its, there, line) for audit_id, its in idle.items()}


@dataclass(frozen=True)
class Idle:
    """An audit of which units are queued and none is held."""

    state: str
    family: str | None
    engine: str | None


class Line:
    """Who goes first, asked once for each kind of worker."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._orders: dict[tuple[str, tuple[str, ...]], dict[tuple[str, str], int]] = {}

    def ahead(self, tenant: str, audit_id: str, worker: WorkerRow) -> int:
        """How many audits this worker would serve before this one."""
        kind = worker.engine, tuple(worker.families)
        if kind not in self._orders:
            first = turns.next_audits(
                self._connection, engine=worker.engine, families=worker.families, limit=MOST_AHEAD
            )
            self._orders[kind] = {audit: place for place, audit in enumerate(first)}
        order = self._orders[kind]
        return order.get((tenant, audit_id), len(order))


def _reason(tenant: str, audit_id: str, idle: Idle, there: list[WorkerRow], line: Line) -> Waiting:
    if not there:
        return Waiting("NO_WORKER")
    # The report of an audit that is being cancelled can be written by anyone.
    anyone = idle.state == "cancelling" or idle.family is None
    able = [worker for worker in there if anyone or idle.family in worker.families]
    if not able:
        return Waiting("NO_WORKER_FOR_FAMILY", family=idle.family)
    if idle.state == "running" and idle.engine not in {worker.engine for worker in able}:
        return Waiting("ENGINE_GONE", engine=idle.engine)
    worker = next((worker for worker in able if worker.engine == idle.engine), able[0])
    return Waiting("QUEUED", position=line.ahead(tenant, audit_id, worker))


def _idle(connection: Connection, tenant: str, audit_ids: Sequence[str]) -> dict[str, Idle]:
    """Those of these audits of which units are queued and none is held."""
    its_units = and_(units.c.tenant_id == audits.c.tenant_id, units.c.audit_id == audits.c.id)
    rows = connection.execute(
        select(audits.c.id, audits.c.state, audits.c.family, audits.c.engine).where(
            audits.c.tenant_id == tenant,
            audits.c.id.in_(audit_ids),
            audits.c.state.in_(OPEN_AUDITS),
            exists().where(its_units, units.c.state == "queued"),
            ~exists().where(its_units, units.c.state == "leased"),
        )
    )
    return {row.id: Idle(row.state, row.family, row.engine) for row in rows}
