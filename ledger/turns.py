"""Whose turn it is: the audits a worker may serve next, the fairest first, and the unit of an audit that is next.

    tenant t goes before t' when   (held_t, served_t) < (held_t', served_t')       units leased now, last claim
    audit a of t before a' of t    (held_a, served_a) < (held_a', served_a')       never served: since it was submitted
    unit u of a before u' of a     (queued_u, ordinal_u) < (queued_u', ordinal_u')

compared from left to right: first tenants, then the audits of one, then the units of one. So a tenant does not get
more by submitting more audits, and an audit does not get more by having more targets: with w workers and n audits that
have work each gets about w/n of them, and one worker serves the n in turn.

What a claim costs does not depend on how many units are queued: one look into an index per open audit finds its first.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, ScalarSelect, Select, and_, func, or_, select

from ledger.schema import OPEN_AUDITS, audits, units


def next_audits(
    connection: Connection, *, engine: str, families: Collection[str] | None, limit: int = 8
) -> list[tuple[str, str]]:
    """(tenant, audit id) of up to ``limit`` audits with a unit that this worker may claim, the fairest first."""
    return [(row.tenant_id, row.id) for row in connection.execute(fairest(engine, families).limit(limit))]


def fairest(engine: str, families: Collection[str] | None) -> Select[Any]:
    """The audits with a unit that a worker of this engine may claim, the fairest first.

    ``families`` None means every family. An audit whose family nobody published is offered to every worker, and so is
    the report of one that is being cancelled.
    """
    # Few units are leased at a time. Kept apart from the counting, or SQLite walks all units in the order it counts by.
    leased = (
        select(units.c.tenant_id, units.c.audit_id)
        .where(units.c.state == "leased")
        .cte("leased")
        .prefix_with("MATERIALIZED")
    )
    held = select(*leased.c, func.count().label("n")).group_by(*leased.c).cte("held")
    of_tenant = select(held.c.tenant_id, func.sum(held.c.n).label("n")).group_by(held.c.tenant_id).cte("of_tenant")
    every = audits.alias("every_audit")
    served = select(func.max(every.c.served_at)).where(every.c.tenant_id == audits.c.tenant_id).scalar_subquery()
    its_held = and_(held.c.tenant_id == audits.c.tenant_id, held.c.audit_id == audits.c.id)
    first = first_unit(audits.c.tenant_id, audits.c.id).correlate(audits)
    return (
        select(audits.c.tenant_id, audits.c.id)
        .select_from(audits.outerjoin(of_tenant, of_tenant.c.tenant_id == audits.c.tenant_id).outerjoin(held, its_held))
        .where(audits.c.state.in_(OPEN_AUDITS), _may_serve(engine, families), first.is_not(None))
        .order_by(
            func.coalesce(of_tenant.c.n, 0),
            func.coalesce(served, 0.0),
            func.coalesce(held.c.n, 0),
            func.coalesce(audits.c.served_at, audits.c.created_at),
            audits.c.id,
        )
    )


def first_unit(tenant: ColumnElement[str] | str, audit_id: ColumnElement[str] | str) -> ScalarSelect[Any]:
    """The id of the audit's unit that has been queued longest; NULL when none is queued."""
    return (
        select(units.c.id)
        .where(units.c.tenant_id == tenant, units.c.audit_id == audit_id, units.c.state == "queued")
        .order_by(units.c.queued_at, units.c.ordinal)
        .limit(1)
        .scalar_subquery()
    )


def _may_serve(engine: str, families: Collection[str] | None) -> ColumnElement[bool]:
    own = or_(audits.c.state == "queued", and_(audits.c.state == "running", audits.c.engine == engine))
    if families is not None:
        own = and_(own, or_(audits.c.family.in_(sorted(families)), audits.c.family.is_(None)))
    return or_(own, audits.c.state == "cancelling")
