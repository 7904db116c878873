"""What an operator watches, counted from the rows: how much waits and since when, who holds it, what has ended.

Read-only. ``level`` is how things stand now; ``since`` is what has happened after a moment, so that whoever asks again
and again can count it. Times are the database's clock, in seconds since 1970; ages and durations are seconds.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from ledger.database import now
from ledger.schema import OPEN_AUDITS, OPEN_UNITS, TERMINAL_AUDITS, audits, events, outbox, units, workers
from ledger.workers import LIVE_SECONDS


@dataclass(frozen=True)
class Load:
    """Units of one tenant and one family of models in one state; ``age`` of the oldest queued, 0 in other states."""

    tenant: str
    family: str
    state: str
    units: int
    age: float


@dataclass(frozen=True)
class Level:
    """How the ledger stands at ``at``.

    ``audits`` counts those not ended by tenant and state, ``workers`` those seen in the last minute by family.
    """

    at: float
    loads: list[Load]
    audits: dict[tuple[str, str], int]
    workers: dict[str, int]
    overdue: int
    messages: int
    message_age: float


@dataclass(frozen=True)
class Moment:
    """An event that is counted, and what its unit knows beyond it: None where that does not apply.

    ``waited`` is from queued to leased, ``seconds`` from leased to the end. ``forwards`` are sample-forwards of the
    denoiser, ``gradients`` those of them that had a gradient.
    """

    at: float
    tenant: str
    audit_id: str
    seq: int
    type: str
    kind: str | None
    code: str | None
    outcome: str | None
    waited: float | None
    seconds: float | None
    forwards: int | None
    gradients: int | None

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from every other event."""
        return self.tenant, self.audit_id, self.seq


COUNTED = (
    "unit.done",
    "unit.failed",
    "unit.cancelled",
    "unit.retried",
    "unit.lost",
    "unit.returned",
    *(f"audit.{state}" for state in TERMINAL_AUDITS),
)
"""The types of events that ``since`` tells of."""

UNKNOWN = "unknown"
"""The family of a model that no worker had published."""


def level(connection: Connection) -> Level:
    """How the ledger stands now, over all tenants."""
    at: float = connection.execute(select(now())).scalar_one()
    messages, oldest = connection.execute(select(func.count(), func.min(outbox.c.created_at))).one()
    overdue = connection.execute(
        select(func.count()).select_from(units).where(units.c.state == "leased", units.c.lease_expires_at < at)
    ).scalar_one()
    waiting = _age(at, oldest)
    return Level(at, _loads(connection, at), _audits(connection), _workers(connection, at), overdue, messages, waiting)


def _loads(connection: Connection, at: float) -> list[Load]:
    family = func.coalesce(audits.c.family, UNKNOWN)
    its_audit = and_(audits.c.tenant_id == units.c.tenant_id, audits.c.id == units.c.audit_id)
    queued_at = case((units.c.state == "queued", units.c.queued_at))
    rows = connection.execute(
        select(units.c.tenant_id, family.label("family"), units.c.state, func.count(), func.min(queued_at))
        .select_from(units.join(audits, its_audit))
        .where(units.c.state.in_(OPEN_UNITS))
        .group_by(units.c.tenant_id, family, units.c.state)
        .order_by(units.c.tenant_id, family, units.c.state)
    )
    return [Load(tenant, name, state, count, _age(at, oldest)) for tenant, name, state, count, oldest in rows]


def _audits(connection: Connection) -> dict[tuple[str, str], int]:
    rows = connection.execute(
        select(audits.c.tenant_id, audits.c.state, func.count())
        .where(audits.c.state.in_(OPEN_AUDITS))
        .group_by(audits.c.tenant_id, audits.c.state)
    )
    return {(tenant, state): count for tenant, state, count in rows}


def _workers(connection: Connection, at: float) -> dict[str, int]:
    rows = connection.execute(select(workers.c.families).where(workers.c.seen_at > at - LIVE_SECONDS)).scalars()
    return dict(Counter(family for families in rows for family in families))


def _age(at: float, since: float | None) -> float:
    return 0.0 if since is None else max(0.0, at - since)


def since(connection: Connection, at: float) -> list[Moment]:
    """The counted events after ``at``, oldest first."""
    its_unit = and_(
        units.c.tenant_id == events.c.tenant_id,
        units.c.audit_id == events.c.audit_id,
        units.c.stage == events.c.data["stage"].as_string(),
        units.c.ordinal == events.c.data["ordinal"].as_integer(),
    )
    rows = connection.execute(
        select(
            events.c.at,
            events.c.tenant_id.label("tenant"),
            events.c.audit_id,
            events.c.seq,
            events.c.type,
            units.c.kind,
            events.c.data["code"].as_string().label("code"),
            events.c.data["outcome"].as_string().label("outcome"),
            (units.c.leased_at - units.c.queued_at).label("waited"),
            (units.c.finished_at - units.c.leased_at).label("seconds"),
            _cost("unet_sample_forwards").label("forwards"),
            _cost("unet_sample_forwards_with_gradient").label("gradients"),
        )
        .select_from(events.outerjoin(units, its_unit))
        .where(events.c.at > at, events.c.type.in_(COUNTED))
        .order_by(events.c.at)
    )
    return [Moment(**row) for row in rows.mappings()]


def _cost(name: str) -> ColumnElement[Any]:
    """What a unit's result says it cost: at its top, or in the record of a mitigation."""
    return func.coalesce(
        units.c.result[("cost", name)].as_integer(), units.c.result[("record", "cost", name)].as_integer()
    )
