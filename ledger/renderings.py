"""Reports that are still to be rendered for other tools, and what they were rendered to.

    concluded → due → rendered      the row of ``unrendered`` is written with the report, deleted with the renderings

Rendering is done by whoever may sign, once. Renderings are evidence of the audit, beside its report and for as long;
they belong to no unit, so that they are filed under the audit's own id.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from ledger import holdings
from ledger.database import now, upsert
from ledger.evidence import Kept
from ledger.schema import audits, evidence, signing_keys, unrendered

TAKEN_SECONDS = 300.0
"""For how long a report is with whoever has taken it."""


@dataclass(frozen=True)
class Due:
    """A report that is to be rendered, and its bytes."""

    tenant: str
    audit_id: str
    report_digest: str
    size: int


@dataclass(frozen=True)
class PublicKey:
    """The public half of a key that has signed for a tenant, as PEM."""

    keyid: str
    pem: str
    since: float


@dataclass(frozen=True)
class Rendering:
    """What a report was rendered to, and whether its time is over."""

    digest: str
    removed: bool


def owe(connection: Connection, tenant: str, audit_id: str) -> None:
    """A report has been written: it is to be rendered."""
    connection.execute(insert(unrendered).values(tenant_id=tenant, audit_id=audit_id, since=now()))


def due(connection: Connection, limit: int) -> list[Due]:
    """The reports that nobody has taken and that have waited longest."""
    its_audit = and_(audits.c.tenant_id == unrendered.c.tenant_id, audits.c.id == unrendered.c.audit_id)
    size = (
        select(func.coalesce(func.max(evidence.c.size), 0))
        .where(evidence.c.tenant_id == audits.c.tenant_id, evidence.c.audit_id == audits.c.id)
        .where(evidence.c.digest == audits.c.report_digest)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(unrendered.c.tenant_id, unrendered.c.audit_id, audits.c.report_digest, size)
        .join(audits, its_audit)
        .where(unrendered.c.since <= now())
        .order_by(unrendered.c.since)
        .limit(limit)
    )
    return [Due(*row) for row in rows]


def is_due(connection: Connection, tenant: str, audit_id: str) -> bool:
    """Whether this audit's report is still to be rendered."""
    return connection.execute(select(unrendered.c.since).where(_its(tenant, audit_id))).first() is not None


def begin(connection: Connection, which: Due) -> int | None:
    """Take it for a while: how often it has been taken, None if it is settled or somebody else's.

    A try counts before it is made: one that ends whoever makes it is not made for ever.
    """
    free = and_(_its(which.tenant, which.audit_id), unrendered.c.since <= now())
    taken = update(unrendered).where(free).values(tries=unrendered.c.tries + 1, since=now() + TAKEN_SECONDS)
    return connection.execute(taken.returning(unrendered.c.tries)).scalar_one_or_none()


def give_back(connection: Connection, which: Due) -> None:
    """The try came to nothing by no fault of the report's: it does not count."""
    free = update(unrendered).where(_its(which.tenant, which.audit_id))
    connection.execute(free.values(tries=unrendered.c.tries - 1, since=now()))


def settle(connection: Connection, which: Due, kept: list[Kept], key: PublicKey | None) -> bool:
    """Write down what a report was rendered to, none for one that cannot be, and by whose key; False if somebody has.

    Raises EvidenceMissing when a blob has just been removed: nothing is to be committed, and it is rendered again.
    """
    if connection.execute(delete(unrendered).where(_its(which.tenant, which.audit_id))).rowcount == 0:
        return False
    holdings.hold(connection, which.tenant, which.audit_id, which.audit_id, kept)
    if key is not None and kept:
        known = upsert(connection, signing_keys).values(
            tenant_id=which.tenant, keyid=key.keyid, pem=key.pem, since=now()
        )
        connection.execute(known.on_conflict_do_nothing())
    return True


def find(connection: Connection, tenant: str, audit_id: str, name: str) -> Rendering | None:
    """What the audit's report was rendered to under this name; None where it was not."""
    row = connection.execute(
        select(evidence.c.digest, evidence.c.removed_at).where(
            evidence.c.tenant_id == tenant, evidence.c.unit_id == audit_id, evidence.c.name == name
        )
    ).one_or_none()
    return None if row is None else Rendering(row.digest, row.removed_at is not None)


def keys(connection: Connection, tenant: str) -> list[PublicKey]:
    """The keys that have signed for this tenant, the newest first."""
    chosen = select(signing_keys.c.keyid, signing_keys.c.pem, signing_keys.c.since)
    rows = connection.execute(
        chosen.where(signing_keys.c.tenant_id == tenant).order_by(signing_keys.c.since.desc(), signing_keys.c.keyid)
    )
    return [PublicKey(*row) for row in rows]


def _its(tenant: str, audit_id: str) -> ColumnElement[bool]:
    return and_(unrendered.c.tenant_id == tenant, unrendered.c.audit_id == audit_id)
