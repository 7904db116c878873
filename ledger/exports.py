"""What can be taken away of an audit: the checkpoint of a joint mitigation of weights, as its unit has kept it."""

from dataclasses import dataclass

from sqlalchemy import Connection, and_, select

from ledger.schema import evidence, units

NAME = "delta.safetensors"
"""The name under which the unit keeps it, and the gateway finds it."""


@dataclass(frozen=True)
class Export:
    """How the mitigation's unit stands, and its checkpoint; ``digest`` is None where it has kept none."""

    state: str
    error: str | None
    digest: str | None
    size: int | None
    removed: bool


def of_mitigation(connection: Connection, tenant: str, audit_id: str, stage: str) -> Export | None:
    """What this stage's one unit has for taking away; None where the audit has planned no such stage."""
    kept = and_(evidence.c.tenant_id == units.c.tenant_id, evidence.c.unit_id == units.c.id, evidence.c.name == NAME)
    row = connection.execute(
        select(units.c.state, units.c.error, evidence.c.digest, evidence.c.size, evidence.c.removed_at)
        .select_from(units.outerjoin(evidence, kept))
        .where(units.c.tenant_id == tenant, units.c.audit_id == audit_id, units.c.stage == stage)
        .order_by(units.c.ordinal)
        .limit(1)
    ).one_or_none()
    return row and Export(row.state, row.error, row.digest, row.size, row.removed_at is not None)
