"""Taking submissions in: many in one transaction, with a statement a table.

A statement costs a gateway far more than a row of it, and so does a commit. So submissions that come at the same moment
are written together; each of them is still accepted, replayed, reused or refused for itself, in the order given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import JSON, Connection, Insert, Table, TableValuedAlias, func, insert, literal, select, tuple_
from ulid import ULID

from ledger import audits, holdings, quota, schema, uploads
from ledger.audits import Accepted, AuditRow, StageRow, Submission
from ledger.catalogue import HOME
from ledger.database import now, upsert
from ledger.errors import KeyReused, QuotaExceeded
from ledger.events import unfolded
from ledger.schema import idempotency, models

ENDPOINT = "POST /v1/audits"

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
    """What a key stands for, since when; ``place`` is that of the submission that bound it, None if none did now."""

    fingerprint: str
    audit_id: str
    at: float
    place: int | None = None


def take(connection: Connection, asked: Sequence[Asked]) -> list[Taken | KeyReused | QuotaExceeded]:
    """Record every audit, its planning unit and the message for it, or find the audit that already answers.

    One answer for each, in order: KeyReused where the idempotency key belongs to another request, QuotaExceeded where
    the tenant has too much open for a new audit; then its key stays free. Raises EvidenceMissing when an image that
    one of them brings has just been removed, ImageNotFound when one that was uploaded is not there any more; then
    nothing is to be committed.
    """
    refused = _over_quota(connection, asked)
    admitted = [one for place, one in enumerate(asked) if place not in refused]
    answers = iter(_take(connection, admitted) if admitted else [])
    return [refused[place] if place in refused else next(answers) for place in range(len(asked))]


def _over_quota(connection: Connection, asked: Sequence[Asked]) -> dict[int, QuotaExceeded]:
    """Those, by their place, that the tenant's quota has no room for; what makes no new audit needs none.

    From here to the end of the transaction nobody else adds to what these tenants have open.
    """
    rooms = quota.rooms(connection, asked)
    if all(room.has_for([s for tenant, s in asked if tenant == its]) for its, room in rooms.items()):
        return {}
    known = _bound_before(connection, sorted({_key(one) for one in asked}))
    refused, binding = {}, set(known)
    for place, (one, twin) in enumerate(zip(asked, _twins(connection, asked), strict=True)):
        tenant, submission = one
        if tenant not in rooms or _key(one) in binding or twin is not None:
            continue
        error = rooms[tenant].take(submission)
        if error is None:
            binding.add(_key(one))
        else:
            refused[place] = error
    return refused


def _take(connection: Connection, asked: Sequence[Asked]) -> list[Taken | KeyReused]:
    twins = _twins(connection, asked)
    bound = _bind(connection, asked, [twin or f"aud_{ULID()}" for twin in twins])
    new = [
        New(bound[key].audit_id, *asked[place], bound[key].at)
        for place, key in enumerate(map(_key, asked))
        if bound[key].place == place and twins[place] is None
    ]
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


def submit(connection: Connection, tenant: str, submission: Submission) -> Accepted:
    """One of them. Raises KeyReused, QuotaExceeded, or EvidenceMissing."""
    [answer] = take(connection, [(tenant, submission)])
    if isinstance(answer, KeyReused | QuotaExceeded):
        raise answer
    return answer.accepted


def _key(asked: Asked) -> Key:
    return asked[0], asked[1].key


def _twins(connection: Connection, asked: Sequence[Asked]) -> list[str | None]:
    """The newest audit that succeeded with an equal request and has its report; None where none is to be reused."""
    wanted = {(tenant, submission.request_digest) for tenant, submission in asked if submission.reuse}
    if not wanted:
        return [None] * len(asked)
    table = schema.audits
    rows = connection.execute(
        select(table.c.tenant_id, table.c.request_digest, func.max(table.c.id))
        .where(tuple_(table.c.tenant_id, table.c.request_digest).in_(sorted(wanted)), table.c.state == "succeeded")
        .where(~audits.report_removed())
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
        .returning(idempotency.c.tenant_id, idempotency.c.key, idempotency.c.created_at)
    )
    taken = {(row.tenant_id, row.key): row.created_at for row in connection.execute(free, rows)}
    bound = {
        key: Bound(asked[place][1].fingerprint, ids[place], taken[key], place)
        for key, place in first.items()
        if key in taken
    }
    return bound | _bound_before(connection, sorted(first.keys() - taken.keys()))


def _bound_before(connection: Connection, keys: list[Key]) -> dict[Key, Bound]:
    if not keys:
        return {}
    table = idempotency.c
    rows = connection.execute(
        select(table.tenant_id, table.key, table.fingerprint, table.audit_id, table.created_at).where(
            table.endpoint == ENDPOINT, tuple_(table.tenant_id, table.key).in_(keys)
        )
    )
    return {(tenant, key): Bound(*bound) for tenant, key, *bound in rows}


@dataclass(frozen=True)
class New:
    """An audit to come, under its id, at the moment its key was bound."""

    audit_id: str
    tenant: str
    submission: Submission
    at: float

    def values(self) -> list[Any]:
        """What is particular to it, its unit's id just drawn; all its rows are made of this, in the database."""
        submission = self.submission
        seconds = submission.deadline_seconds
        return [
            self.tenant,
            self.audit_id,
            f"unit_{ULID()}",
            submission.model_id,
            submission.request_digest,
            submission.request,
            submission.labels,
            {} if submission.traceparent is None else {"traceparent": submission.traceparent},
            self.at,
            None if seconds is None else self.at + seconds,
            submission.targets,
        ]


def _create(connection: Connection, new: list[New]) -> dict[str, AuditRow]:
    """Every row of every new audit; the audits as they stand then."""
    listed = [one.values() for one in new]
    for statement in _inserts(connection.dialect.name) if new else ():
        connection.execute(statement, {"listed": listed})
    for tenant in sorted({one.tenant for one in new}):
        named = {digest for one in new if one.tenant == tenant for digest in one.submission.uploads}
        uploads.use(connection, tenant, named)
    holdings.hold_images(connection, [(one.tenant, one.audit_id, one.submission.request) for one in new])
    return {one.audit_id: _standing(one) for one in new}


@cache
def _inserts(dialect: str) -> list[Insert]:
    """The rows of a new audit, for each that is ``listed``: a statement a table.

    Of however many audits, they are always the same, with one JSON array for their parameter. PostgreSQL takes them all
    as one.
    """
    listed = unfolded(dialect)
    inserts = [
        insert(table).from_select(list(row), select(*row.values()).select_from(listed), include_defaults=False)
        for table, row in _rows(listed).items()
    ]
    if dialect == "sqlite":
        return inserts
    *others, last = inserts
    return [last.add_cte(*(other.cte(f"new_{place}") for place, other in enumerate(others)))]


def _rows(listed: TableValuedAlias) -> dict[Table, dict[str, Any]]:
    """What a new audit has a row in, and that row, from ``New.values``."""
    value = listed.c.value
    tenant, audit_id, unit_id, model_id, digest = (value[n].as_string() for n in range(5))
    request, labels, traced = (value[n].as_json() for n in (5, 6, 7))
    at, deadline = (value[n].as_float() for n in (8, 9))
    targets = value[10].as_integer()
    published = select(models.c.card["family"].as_string()).where(models.c.tenant_id == HOME, models.c.id == model_id)
    family = published.correlate(listed).scalar_subquery()
    own = {"tenant_id": tenant, "audit_id": audit_id}
    unit = {"id": unit_id, "kind": literal("plan"), "critical": literal(True), "payload": literal({}, JSON)}
    return {
        schema.audits: {
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
            "created_at": at,
            "deadline_at": deadline,
            "targets": targets,
        },
        schema.events: {**own, "seq": literal(1), "type": literal("audit.queued"), "data": traced, "at": at},
        schema.stages: {
            **own,
            "name": literal("plan"),
            "ordinal": literal(0),
            "blockers": literal(0),
            "total": literal(1),
            "remaining": literal(1),
        },
        schema.units: {
            **own,
            **unit,
            "stage": literal("plan"),
            "ordinal": literal(0),
            "state": literal("queued"),
            "queued_at": at,
        },
        schema.outbox: {**own, "unit_id": unit_id, "attempt": literal(1), "family": family, "created_at": at},
    }


def _standing(new: New) -> AuditRow:
    """A new audit as ``audits.get`` would find it."""
    return AuditRow(
        tenant=new.tenant,
        id=new.audit_id,
        state="queued",
        ending="succeeded",
        revision=1,
        model_id=new.submission.model_id,
        request=new.submission.request,
        labels=new.submission.labels,
        engine=None,
        outcome=None,
        result_digest=None,
        report_digest=None,
        error=None,
        detail=None,
        created_at=new.at,
        started_at=None,
        finished_at=None,
        stages=[StageRow("plan", done=0, failed=0, total=1, fraction=0.0)],
    )
