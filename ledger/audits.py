"""Audits: accepted once, looked up by their tenant, ended exactly once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, exists, func, literal, select, update

from ledger import events, stages
from ledger.database import now
from ledger.errors import AlreadyTerminal, NotFound
from ledger.quota import Quota
from ledger.schema import TERMINAL_AUDITS, TERMINAL_UNITS, audits, evidence, units
from ledger.schema import stages as stages_table
from ledger.waiting import Waiting


@dataclass(frozen=True)
class Submission:
    """What a gateway hands over: the request as canonical JSON values, and its digests.

    ``quota`` is what holds for a tenant without a quota of its own; without any, nothing is counted.
    """

    request: dict[str, Any]
    request_digest: str
    model_id: str
    labels: dict[str, str]
    key: str
    fingerprint: str
    reuse: bool
    deadline_seconds: float | None = None
    traceparent: str | None = None
    targets: int = 0
    quota: Quota | None = None
    uploads: tuple[str, ...] = ()
    """Digests of pictures that were uploaded before, and that the request names."""


@dataclass(frozen=True)
class Accepted:
    """The audit that answers a submission, and whether it was there before."""

    audit_id: str
    replayed: bool
    reused: bool


@dataclass(frozen=True)
class StageRow:
    """How far a stage is; ``fraction`` is the share of its work that is over, partly done units included."""

    name: str
    done: int
    failed: int
    total: int
    fraction: float


@dataclass(frozen=True)
class AuditRow:
    """An audit as it stands; ``waiting`` is filled in by whoever asks ``ledger.waiting`` too."""

    tenant: str
    id: str
    state: str
    ending: str
    revision: int
    model_id: str
    request: dict[str, Any]
    labels: dict[str, str]
    engine: str | None
    outcome: str | None
    result_digest: str | None
    report_digest: str | None
    error: str | None
    detail: str | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    stages: list[StageRow]
    waiting: Waiting | None = None


@dataclass(frozen=True)
class UnitResult:
    """A unit that has ended, as the report reads it."""

    stage: str
    ordinal: int
    kind: str
    payload: dict[str, Any]
    state: str
    result: dict[str, Any] | None
    error: str | None


def report_removed() -> ColumnElement[bool]:
    """A clause on ``audits``: whether the audit's report has been removed, its time being over."""
    return exists().where(
        evidence.c.tenant_id == audits.c.tenant_id,
        evidence.c.audit_id == audits.c.id,
        evidence.c.digest == audits.c.report_digest,
        evidence.c.removed_at.is_not(None),
    )


def report_is_removed(connection: Connection, tenant: str, audit_id: str) -> bool:
    """The same of one audit."""
    its = and_(audits.c.tenant_id == tenant, audits.c.id == audit_id, report_removed())
    return connection.execute(select(audits.c.id).where(its)).first() is not None


def get(connection: Connection, tenant: str, audit_id: str) -> AuditRow:
    """One audit with its stages. Raises NotFound, also for another tenant's audit."""
    chosen = select(audits).where(audits.c.tenant_id == tenant, audits.c.id == audit_id)
    found = _audit_rows(connection, tenant, chosen)
    if not found:
        raise NotFound(audit_id)
    return found[0]


def several(connection: Connection, tenant: str, audit_ids: Sequence[str]) -> dict[str, AuditRow]:
    """These audits with their stages but without their requests, by id; those that are not there are left out."""
    columns = [audits.c[name] for name in AuditRow.__dataclass_fields__ if name in audits.c and name != "request"]
    chosen = select(*columns, literal(None).label("request")).where(
        audits.c.tenant_id == tenant, audits.c.id.in_(audit_ids)
    )
    return {row.id: replace(row, request={}) for row in _audit_rows(connection, tenant, chosen)}


def page(
    connection: Connection,
    tenant: str,
    *,
    limit: int,
    before: str | None = None,
    state: str | None = None,
    model_id: str | None = None,
    labels: Sequence[tuple[str, str]] = (),
) -> list[AuditRow]:
    """Up to ``limit`` audits, newest first, older than the audit id ``before``, that bear all of these labels."""
    chosen = select(audits).where(audits.c.tenant_id == tenant).order_by(audits.c.id.desc()).limit(limit)
    if before is not None:
        chosen = chosen.where(audits.c.id < before)
    if state is not None:
        chosen = chosen.where(audits.c.state == state)
    if model_id is not None:
        chosen = chosen.where(audits.c.model_id == model_id)
    for name, value in labels:
        chosen = chosen.where(audits.c.labels[name].as_string() == value)
    return _audit_rows(connection, tenant, chosen)


def _audit_rows(connection: Connection, tenant: str, chosen: Select[Any]) -> list[AuditRow]:
    rows = connection.execute(chosen).mappings().all()
    stage_rows = _stage_rows(connection, tenant, [row["id"] for row in rows])
    kept = [name for name in AuditRow.__dataclass_fields__ if name not in ("tenant", "stages", "waiting")]
    return [AuditRow(tenant=tenant, stages=stage_rows[row["id"]], **{name: row[name] for name in kept}) for row in rows]


def _stage_rows(connection: Connection, tenant: str, audit_ids: list[str]) -> dict[str, list[StageRow]]:
    """The stages of each audit, as planned. What has ended counts in full, however it ended."""
    its_units = and_(
        units.c.tenant_id == stages_table.c.tenant_id,
        units.c.audit_id == stages_table.c.audit_id,
        units.c.stage == stages_table.c.name,
    )
    over = case((units.c.state.in_(TERMINAL_UNITS), 1.0), (units.c.id.is_(None), 0.0), else_=units.c.progress)
    rows = connection.execute(
        select(
            stages_table.c.audit_id,
            stages_table.c.name,
            func.count(case((units.c.state == "done", 1))).label("done"),
            func.count(case((units.c.state == "failed", 1))).label("failed"),
            stages_table.c.total,
            func.sum(over).label("over"),
        )
        .select_from(stages_table.outerjoin(units, its_units))
        .where(stages_table.c.tenant_id == tenant, stages_table.c.audit_id.in_(audit_ids))
        .group_by(stages_table.c.audit_id, stages_table.c.name, stages_table.c.ordinal, stages_table.c.total)
        .order_by(stages_table.c.audit_id, stages_table.c.ordinal)
    )
    found: dict[str, list[StageRow]] = {audit_id: [] for audit_id in audit_ids}
    for row in rows:
        fraction = row.over / row.total if row.total else 1.0
        found[row.audit_id].append(StageRow(row.name, row.done, row.failed, row.total, fraction))
    return found


def cancel(connection: Connection, tenant: str, audit_id: str) -> None:
    """Ask the audit to stop: unstarted units end now, running ones at their next look, then a partial report follows.

    Asking twice is the same as asking once. Raises NotFound or AlreadyTerminal.
    """
    if not _wind_down(connection, tenant, audit_id, ending="cancelled"):
        state = get(connection, tenant, audit_id).state
        if state in TERMINAL_AUDITS:
            raise AlreadyTerminal(f"the audit is {state}")


def expire_overdue(connection: Connection, limit: int = 100) -> int:
    """Wind down audits past their deadline; how many."""
    overdue = (
        select(audits.c.tenant_id, audits.c.id)
        .where(audits.c.state.in_(("queued", "running")), audits.c.deadline_at < now())
        .order_by(audits.c.tenant_id, audits.c.id)
        .limit(limit)
    )
    rows = connection.execute(overdue).all()
    return sum(_wind_down(connection, tenant, audit_id, ending="expired") for tenant, audit_id in rows)


def _wind_down(connection: Connection, tenant: str, audit_id: str, *, ending: str) -> bool:
    """Whether the audit was still going, and so begins to end now."""
    changed = connection.execute(
        update(audits)
        .where(audits.c.tenant_id == tenant, audits.c.id == audit_id, audits.c.state.in_(("queued", "running")))
        .values(state="cancelling", ending=ending)
        .returning(audits.c.id)
    ).one_or_none()
    if changed is None:
        return False
    events.record(connection, tenant, audit_id, "audit.cancelling", {"ending": ending})
    _ensure_report(connection, tenant, audit_id)
    stages.cancel_units(connection, tenant, audit_id, ("waiting", "queued"), sparing="report")
    return True


def _ensure_report(connection: Connection, tenant: str, audit_id: str) -> None:
    """Plan the report behind every stage there is, when the audit ends before its plan could."""
    of_audit = and_(units.c.tenant_id == tenant, units.c.audit_id == audit_id)
    if connection.execute(select(units.c.id).where(of_audit, units.c.kind == "report")).first() is None:
        names = connection.execute(
            select(stages_table.c.name).where(stages_table.c.tenant_id == tenant, stages_table.c.audit_id == audit_id)
        )
        report = stages.UnitPlan("report", {}, critical=True)
        stages.plan(connection, tenant, audit_id, [stages.StagePlan("report", [report], after=list(names.scalars()))])


def results(connection: Connection, tenant: str, audit_id: str, *, stage: str | None = None) -> list[UnitResult]:
    """What the audit's units came to, in the order they were planned."""
    chosen = (
        select(
            units.c.stage, units.c.ordinal, units.c.kind, units.c.payload, units.c.state, units.c.result, units.c.error
        )
        .join(
            stages_table,
            and_(
                stages_table.c.tenant_id == units.c.tenant_id,
                stages_table.c.audit_id == units.c.audit_id,
                stages_table.c.name == units.c.stage,
            ),
        )
        .where(units.c.tenant_id == tenant, units.c.audit_id == audit_id)
        .order_by(stages_table.c.ordinal, units.c.ordinal)
    )
    if stage is not None:
        chosen = chosen.where(units.c.stage == stage)
    return [UnitResult(*row) for row in connection.execute(chosen)]


def exhibit(connection: Connection, tenant: str, audit_id: str, digest: str) -> tuple[str, bool] | None:
    """Media type of what an audit kept under this digest, and whether its time is over; None if it kept no such thing.

    What several units kept is there as long as one of them holds it.
    """
    rows = connection.execute(
        select(evidence.c.media_type, evidence.c.removed_at.is_not(None).label("removed"))
        .where(evidence.c.tenant_id == tenant, evidence.c.audit_id == audit_id, evidence.c.digest == digest)
        .order_by("removed")
        .limit(1)
    ).all()
    return (str(rows[0].media_type), bool(rows[0].removed)) if rows else None


def evidence_of(connection: Connection, tenant: str, audit_id: str) -> list[tuple[str, str, str]]:
    """(kind, digest, media type) of everything that is kept for an audit; what was removed is not."""
    rows = connection.execute(
        select(evidence.c.kind, evidence.c.digest, evidence.c.media_type)
        .where(evidence.c.tenant_id == tenant, evidence.c.audit_id == audit_id, evidence.c.removed_at.is_(None))
        .order_by(evidence.c.unit_id, evidence.c.name)
    )
    return [(kind, digest, media_type) for kind, digest, media_type in rows]
