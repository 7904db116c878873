"""Many submissions in one transaction: what ``audits.submit`` does for one, with a statement a table.

A statement costs a gateway far more than a row of it, and so does a commit. So submissions that come at the same moment
are written together; each of them is still accepted, replayed, reused or refused for itself, in the order given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import JSON, Connection, Float, Insert, bindparam, exists, func, insert, literal, select, tuple_
from ulid import ULID

from ledger import audits, holdings, schema
from ledger.audits import ENDPOINT, Accepted, AuditRow, StageRow, Submission
from ledger.database import now, upsert
from ledger.errors import KeyReused
from ledger.events import unfolded
from ledger.schema import evidence, idempotency, models

Asked = tuple[str, Submission]
"""A tenant, and what it submits."""

Key = tuple[str, str]
"""A tenant and an idempotency key."""


@dataclass(frozen=True)
class Taken:
    """The audit that answers a submission, as it stands."""

    accepted: Accepted
    row: AuditRow


@dataclass(frozen=True)
class Bound:
    """What a key stands for; ``place`` is that of the submission that bound it now, None if it was bound before."""

    fingerprint: str
    audit_id: str
    place: int | None


def take(connection: Connection, asked: Sequence[Asked]) -> list[Taken | KeyReused]:
    """Record every audit, its planning unit and the message for it, or find the audit that already answers.

    One answer for each, in order: KeyReused where the idempotency key belongs to another request. Raises
    EvidenceMissing when an image that one of them names has just been removed; then nothing is to be committed.
    """
    twins = _twins(connection, asked)
    bound = _bind(connection, asked, [twin or f"aud_{ULID()}" for twin in twins])
    new = {
        bound[key].audit_id: asked[place]
        for place, key in enumerate(map(_key, asked))
        if bound[key].place == place and twins[place] is None
    }
    created = _create(connection, new)
    answers: list[Taken | KeyReused] = []
    for place, (tenant, submission) in enumerate(asked):
        its = bound[tenant, submission.key]
        if its.fingerprint != submission.fingerprint:
            answers.append(KeyReused("this Idempotency-Key was used for another request"))
            continue
        replayed = its.place != place
        accepted = Accepted(its.audit_id, replayed=replayed, reused=not replayed and twins[place] is not None)
        answers.append(Taken(accepted, created.get(its.audit_id) or audits.get(connection, tenant, its.audit_id)))
    return answers


def _key(asked: Asked) -> Key:
    return asked[0], asked[1].key


def _twins(connection: Connection, asked: Sequence[Asked]) -> list[str | None]:
    """The newest audit that succeeded with an equal request and has its report; None where none is to be reused."""
    wanted = {(tenant, submission.request_digest) for tenant, submission in asked if submission.reuse}
    if not wanted:
        return [None] * len(asked)
    table = schema.audits
    removed = exists().where(
        evidence.c.tenant_id == table.c.tenant_id,
        evidence.c.audit_id == table.c.id,
        evidence.c.digest == table.c.report_digest,
        evidence.c.removed_at.is_not(None),
    )
    rows = connection.execute(
        select(table.c.tenant_id, table.c.request_digest, func.max(table.c.id))
        .where(tuple_(table.c.tenant_id, table.c.request_digest).in_(sorted(wanted)), table.c.state == "succeeded")
        .where(~removed)
        .group_by(table.c.tenant_id, table.c.request_digest)
    )
    found = {(tenant, digest): str(audit_id) for tenant, digest, audit_id in rows}
    return [found.get((tenant, s.request_digest)) if s.reuse else None for tenant, s in asked]


def _bind(connection: Connection, asked: Sequence[Asked], ids: Sequence[str]) -> dict[Key, Bound]:
    """Bind every key that is free to the audit of the first who sent it; what each of them stands for then."""
    first: dict[Key, int] = {}
    for place, one in enumerate(asked):
        first.setdefault(_key(one), place)
    # By key, so that two gateways that are sent the same keys wait for each other in the same order.
    rows = [
        {"tenant_id": tenant, "key": key, "fingerprint": asked[place][1].fingerprint, "audit_id": ids[place]}
        for (tenant, key), place in sorted(first.items())
    ]
    free = (
        upsert(connection, idempotency)
        .values(endpoint=ENDPOINT, created_at=now())
        .on_conflict_do_nothing()
        .returning(idempotency.c.tenant_id, idempotency.c.key)
    )
    taken = {(row.tenant_id, row.key) for row in connection.execute(free, rows)}
    bound = {key: Bound(asked[place][1].fingerprint, ids[place], place) for key, place in first.items() if key in taken}
    return bound | _bound_before(connection, sorted(first.keys() - taken))


def _bound_before(connection: Connection, keys: list[Key]) -> dict[Key, Bound]:
    if not keys:
        return {}
    rows = connection.execute(
        select(idempotency.c.tenant_id, idempotency.c.key, idempotency.c.fingerprint, idempotency.c.audit_id).where(
            idempotency.c.endpoint == ENDPOINT, tuple_(idempotency.c.tenant_id, idempotency.c.key).in_(keys)
        )
    )
    return {(tenant, key): Bound(fingerprint, audit_id, None) for tenant, key, fingerprint, audit_id in rows}


def _create(connection: Connection, new: dict[str, Asked]) -> dict[str, AuditRow]:
    """Every row of every new audit; the audits as they stand then."""
    if not new:
        return {}
    families = _families(connection, {(tenant, submission.model_id) for tenant, submission in new.values()})
    at: float = connection.execute(select(now())).scalar_one()
    listed = [
        _listed_values(tenant, audit_id, submission, families.get((tenant, submission.model_id)), at)
        for audit_id, (tenant, submission) in new.items()
    ]
    for statement in _inserts(connection.dialect.name):
        connection.execute(statement, {"listed": listed, "moment": at})
    for audit_id, (tenant, submission) in new.items():
        holdings.hold_images(connection, tenant, audit_id, submission.request)
    return {audit_id: _standing(tenant, audit_id, submission, at) for audit_id, (tenant, submission) in new.items()}


def _families(connection: Connection, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The family of each published model, by tenant and id."""
    rows = connection.execute(
        select(models.c.tenant_id, models.c.id, models.c.card["family"].as_string()).where(
            tuple_(models.c.tenant_id, models.c.id).in_(sorted(wanted))
        )
    )
    return {(tenant, model_id): family for tenant, model_id, family in rows}


def _listed_values(tenant: str, audit_id: str, submission: Submission, family: str | None, at: float) -> list[Any]:
    """What is particular to one audit; all its rows are made of this, in the database."""
    return [
        tenant,
        audit_id,
        f"unit_{ULID()}",
        family,
        submission.model_id,
        submission.request_digest,
        submission.request,
        submission.labels,
        {} if submission.traceparent is None else {"traceparent": submission.traceparent},
        None if submission.deadline_seconds is None else at + submission.deadline_seconds,
    ]


@cache
def _inserts(dialect: str) -> list[Insert]:
    """The rows that ``audits.submit`` leaves behind, all of one ``moment``, for each audit that is ``listed``.

    Of however many audits, it is one statement a table, always the same, with one JSON array for its parameter.
    """
    listed = unfolded(dialect)
    value = listed.c.value
    tenant, audit_id, unit_id, family, model_id, digest = (value[n].as_string() for n in range(6))
    request, labels, traced = (value[n].as_json() for n in (6, 7, 8))
    moment = bindparam("moment", type_=Float(53))
    own = {"tenant_id": tenant, "audit_id": audit_id}
    audit = {
        "tenant_id": tenant,
        "id": audit_id,
        "state": literal("queued"),
        "revision": literal(1),
        "event_seq": literal(1),
        "model_id": model_id,
        "family": family,
        "request": request,
        "request_digest": digest,
        "labels": labels,
        "created_at": moment,
        "deadline_at": value[9].as_float(),
    }
    event = {**own, "seq": literal(1), "type": literal("audit.queued"), "data": traced, "at": moment}
    stage = {**own, "name": literal("plan"), "ordinal": literal(0), "blockers": literal(0), "total": literal(1)}
    unit = {
        **own,
        "id": unit_id,
        "stage": literal("plan"),
        "ordinal": literal(0),
        "kind": literal("plan"),
        "critical": literal(True),
        "payload": literal({}, JSON),
        "state": literal("queued"),
        "queued_at": moment,
    }
    message = {**own, "unit_id": unit_id, "attempt": literal(1), "family": family, "created_at": moment}
    rows = {
        schema.audits: audit,
        schema.events: event,
        schema.stages: {**stage, "remaining": literal(1)},
        schema.units: unit,
        schema.outbox: message,
    }
    return [
        insert(table).from_select(list(row), select(*row.values()).select_from(listed), include_defaults=False)
        for table, row in rows.items()
    ]


def _standing(tenant: str, audit_id: str, submission: Submission, at: float) -> AuditRow:
    """A new audit as ``audits.get`` would find it."""
    return AuditRow(
        tenant=tenant,
        id=audit_id,
        state="queued",
        ending="succeeded",
        revision=1,
        model_id=submission.model_id,
        request=submission.request,
        labels=submission.labels,
        engine=None,
        outcome=None,
        result_digest=None,
        report_digest=None,
        error=None,
        detail=None,
        created_at=at,
        started_at=None,
        finished_at=None,
        stages=[StageRow("plan", done=0, failed=0, total=1, fraction=0.0)],
    )
