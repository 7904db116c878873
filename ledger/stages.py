"""Which units wait for which: an audit is a graph of stages, and closing one releases those behind it.

The graph is written down once, by the unit that plans. After that nobody has to think: the transaction that ends
the last unit of a stage releases the stages it blocked, be it a worker's or the sweeper's. A stage is closed when
nothing blocks it and none of its units is open; both only ever fall, so that it closes exactly once.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, insert, select, update
from ulid import ULID

from ledger import outbox
from ledger.database import now
from ledger.schema import stage_edges, stages, units


@dataclass(frozen=True)
class UnitPlan:
    """One unit to come. ``payload`` is plain JSON that names its work by item ids and evidence digests."""

    kind: str
    payload: dict[str, Any]
    critical: bool = False


@dataclass(frozen=True)
class StagePlan:
    """A stage to come, and the stages it waits for."""

    name: str
    units: list[UnitPlan]
    after: list[str] = field(default_factory=list)


def plan(connection: Connection, tenant: str, audit_id: str, planned: list[StagePlan]) -> None:
    """Write a graph of stages down. Those that wait for nothing unfinished are released at once.

    A stage may only wait for stages written down before it, earlier or further up the list: ValueError otherwise.
    """
    is_open = _open_stages(connection, tenant, audit_id)
    for ordinal, stage in enumerate(planned, start=len(is_open)):
        unknown = sorted(set(stage.after) - set(is_open))
        if unknown:
            raise ValueError(f"stage {stage.name!r} waits for {unknown}, not planned before it")
        blockers = sum(is_open[name] for name in stage.after)
        is_open[stage.name] = blockers > 0 or len(stage.units) > 0
        _insert_stage(connection, tenant, audit_id, stage, ordinal, blockers)
        _insert_units(connection, tenant, audit_id, stage)
        if blockers == 0:
            _release(connection, tenant, audit_id, stage.name)


def _open_stages(connection: Connection, tenant: str, audit_id: str) -> dict[str, bool]:
    rows = connection.execute(
        select(stages.c.name, stages.c.blockers, stages.c.remaining).where(
            stages.c.tenant_id == tenant, stages.c.audit_id == audit_id
        )
    )
    return {name: blockers > 0 or remaining > 0 for name, blockers, remaining in rows}


def _insert_stage(
    connection: Connection, tenant: str, audit_id: str, stage: StagePlan, ordinal: int, blockers: int
) -> None:
    connection.execute(
        insert(stages).values(
            tenant_id=tenant,
            audit_id=audit_id,
            name=stage.name,
            ordinal=ordinal,
            blockers=blockers,
            total=len(stage.units),
            remaining=len(stage.units),
        )
    )
    for before in stage.after:
        connection.execute(
            insert(stage_edges).values(tenant_id=tenant, audit_id=audit_id, before=before, after=stage.name)
        )


def _insert_units(connection: Connection, tenant: str, audit_id: str, stage: StagePlan) -> None:
    rows = [
        {
            "tenant_id": tenant,
            "id": f"unit_{ULID()}",
            "audit_id": audit_id,
            "stage": stage.name,
            "ordinal": ordinal,
            "kind": unit.kind,
            "critical": unit.critical,
            "payload": unit.payload,
            "state": "waiting",
        }
        for ordinal, unit in enumerate(stage.units)
    ]
    if rows:
        connection.execute(insert(units), rows)


def close_units(connection: Connection, tenant: str, audit_id: str, stage: str, count: int) -> None:
    """``count`` units of a stage have ended; whoever closes the stage releases what follows."""
    row = connection.execute(
        update(stages)
        .where(
            stages.c.tenant_id == tenant,
            stages.c.audit_id == audit_id,
            stages.c.name == stage,
            stages.c.remaining >= count,
        )
        .values(remaining=stages.c.remaining - count)
        .returning(stages.c.remaining, stages.c.blockers)
    ).one()
    if row.remaining == 0 and row.blockers == 0:
        _release_after(connection, tenant, audit_id, stage)


def cancel_units(
    connection: Connection, tenant: str, audit_id: str, states: Sequence[str], *, sparing: str | None = None
) -> None:
    """End the audit's units that are in one of these states, but for those of the kind that is spared."""
    chosen = update(units).where(units.c.tenant_id == tenant, units.c.audit_id == audit_id, units.c.state.in_(states))
    if sparing is not None:
        chosen = chosen.where(units.c.kind != sparing)
    ended = connection.execute(chosen.values(state="cancelled", finished_at=now()).returning(units.c.stage))
    for stage, count in sorted(Counter(ended.scalars().all()).items()):
        close_units(connection, tenant, audit_id, stage, count)


def _release_after(connection: Connection, tenant: str, audit_id: str, stage: str) -> None:
    edges = select(stage_edges.c.after).where(
        stage_edges.c.tenant_id == tenant, stage_edges.c.audit_id == audit_id, stage_edges.c.before == stage
    )
    freed = connection.execute(
        update(stages)
        .where(stages.c.tenant_id == tenant, stages.c.audit_id == audit_id, stages.c.name.in_(edges))
        .values(blockers=stages.c.blockers - 1)
        .returning(stages.c.name, stages.c.blockers, stages.c.ordinal, stages.c.remaining)
    ).all()
    for name, blockers, _, remaining in sorted(freed, key=lambda row: row.ordinal):
        if blockers == 0 and remaining == 0:
            _release_after(connection, tenant, audit_id, name)
        elif blockers == 0:
            _release(connection, tenant, audit_id, name)


def _release(connection: Connection, tenant: str, audit_id: str, stage: str) -> None:
    # All at one moment, so that they queue in the order of their ordinals.
    rows = connection.execute(
        update(units)
        .where(
            units.c.tenant_id == tenant,
            units.c.audit_id == audit_id,
            units.c.stage == stage,
            units.c.state == "waiting",
        )
        .values(state="queued", queued_at=select(now()).scalar_subquery())
        .returning(units.c.ordinal, units.c.id)
    ).all()
    in_order = [row.id for row in sorted(rows, key=lambda row: row.ordinal)]
    outbox.ring(connection, tenant, audit_id, in_order, attempt=1)
