"""Collecting evidence whose time is over, and blobs that nobody holds.

    retire      rows past their kind's time, and states of units that have ended (``ledger.checkpoints``):
                ``removed_at`` is set, the row and its digest stay
    expire      pictures that were uploaded and that nothing has used for their time (``ledger.uploads``)
    condemn     blobs that no row holds any more: those of retired rows, and what an interrupted unit left behind
    remove      a grace period later, if still no row holds the blob and nobody has put it again meanwhile

A blob is held as long as one row of its tenant has not been removed. Writers put first and write the row afterwards;
the grace period is longer than any unit may take for that. The sentence's row is locked while its blob is removed, and
a writer who wants the blob again has to delete that row (``holdings.spare``): it comes before and the blob stays, or it
comes after and is told to put the blob again.
"""

import time

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, exists, select, tuple_, update

from ledger import checkpoints, holdings, uploads
from ledger.database import Ledger, now, upsert
from ledger.evidence import PREFIXES, EvidenceStore
from ledger.retention import REPORT, Retention
from ledger.schema import audits, condemned, evidence

DAY = 86_400.0
_ROWS = select(evidence.c.tenant_id, evidence.c.unit_id, evidence.c.name).where(evidence.c.removed_at.is_(None))
_STATES = _ROWS.where(checkpoints.is_over())


class Collector:
    """What one sweeper collects. Any number may: every row is taken under its lock."""

    def __init__(self, ledger: Ledger, store: EvidenceStore, retention: Retention) -> None:
        self._ledger, self._store, self._retention = ledger, store, retention
        self._looked_at = -retention.collect_seconds

    def collect(self) -> int:
        """A bounded part of what there is to do; how many rows were retired and blobs removed."""
        retired = 0
        if time.monotonic() >= self._looked_at + self._retention.collect_seconds:
            self._looked_at = time.monotonic()
            with self._ledger.writing() as connection:
                retired = retire(connection, self._retention) + expire_uploads(connection, self._retention)
            condemn_strays(self._ledger, self._store, self._retention, self._prefix())
        return retired + remove(self._ledger, self._store, self._retention)

    def _prefix(self) -> str:
        """Whose turn it is of the 256 beginnings of digests; all of them have theirs in 256 × ``collect_seconds``."""
        with self._ledger.reading() as connection:
            at: float = connection.execute(select(now())).scalar_one()
        return PREFIXES[int(at / max(self._retention.collect_seconds, 1.0)) % len(PREFIXES)]


def retire(connection: Connection, retention: Retention) -> int:
    """Set ``removed_at`` on up to a batch of rows of each kind whose time is over; how many.

    A report stays until nothing else of its audit is left; a unit's newest state goes as soon as the unit has ended.
    """
    kinds = sorted(retention.days.items(), key=lambda item: item[0] == REPORT)
    past = [_past(evidence.c.kind.not_in(list(retention.days)), retention.other_days)]
    past += [_past(evidence.c.kind == kind, days) for kind, days in kinds]
    return sum(_retire(connection, over.limit(retention.retire_batch)) for over in [_STATES, *past])


def _past(of_kind: ColumnElement[bool], days: float) -> Select[tuple[str, str, str]]:
    """Rows of such kinds whose audit ended so long ago."""
    its_audit = and_(audits.c.tenant_id == evidence.c.tenant_id, audits.c.id == evidence.c.audit_id)
    another = evidence.alias("another")
    images_are_there = exists().where(
        another.c.tenant_id == evidence.c.tenant_id,
        another.c.audit_id == evidence.c.audit_id,
        another.c.removed_at.is_(None),
        another.c.kind != REPORT,
    )
    return (
        _ROWS.join(audits, its_audit)
        # Nothing is older than its audit's end; by its own age it is found through the index.
        .where(of_kind, evidence.c.created_at < now() - days * DAY)
        .where(audits.c.finished_at < now() - days * DAY)
        .where((evidence.c.kind != REPORT) | ~images_are_there)
    )


def _retire(connection: Connection, over: Select[tuple[str, str, str]]) -> int:
    rows = connection.execute(
        update(evidence)
        .where(tuple_(evidence.c.tenant_id, evidence.c.unit_id, evidence.c.name).in_(over))
        .where(evidence.c.removed_at.is_(None))
        .values(removed_at=now())
        .returning(evidence.c.tenant_id, evidence.c.digest)
    ).all()
    for tenant in {row.tenant_id for row in rows}:
        condemn(connection, tenant, [row.digest for row in rows if row.tenant_id == tenant])
    return len(rows)


def expire_uploads(connection: Connection, retention: Retention) -> int:
    """Remove up to a batch of uploaded pictures that nothing has used for their time; how many."""
    gone = uploads.expire(connection, retention.upload_days, retention.retire_batch)
    for tenant in {tenant for tenant, _ in gone}:
        condemn(connection, tenant, [digest for its, digest in gone if its == tenant])
    return len(gone)


def condemn(connection: Connection, tenant: str, digests: list[str]) -> None:
    """Sentence those of the blobs that no row holds."""
    unheld = sorted(set(digests) - holdings.held(connection, tenant, digests))
    for digest in unheld:
        connection.execute(
            upsert(connection, condemned)
            .values(tenant_id=tenant, digest=digest, condemned_at=now())
            .on_conflict_do_nothing()
        )


def condemn_strays(ledger: Ledger, store: EvidenceStore, retention: Retention, prefix: str) -> None:
    """Sentence blobs that nobody has held for the grace period: those whose unit died before it wrote its row."""
    for tenant in store.tenants():
        found = store.digests(tenant, prefix)
        with ledger.reading() as connection:
            unheld = sorted(set(found) - holdings.held(connection, tenant, found))
            at: float = connection.execute(select(now())).scalar_one()
        old = [digest for digest in unheld if (store.put_at(tenant, digest) or at) < at - retention.grace_seconds]
        if old:
            with ledger.writing() as connection:
                condemn(connection, tenant, old)


def remove(ledger: Ledger, store: EvidenceStore, retention: Retention) -> int:
    """Remove up to a batch of blobs whose grace period is over; how many. One that cannot be holds up no other.

    Raises the last OSError of the store once all have been tried.
    """
    over = (
        select(condemned.c.tenant_id, condemned.c.digest)
        .where(condemned.c.condemned_at < now() - retention.grace_seconds)
        .order_by(condemned.c.condemned_at)
        .limit(retention.remove_batch)
    )
    with ledger.reading() as connection:
        listed = connection.execute(over).all()
    removed, failed = 0, None
    for tenant, digest in listed:
        try:
            removed += _remove(ledger, store, tenant, digest, retention.grace_seconds)
        except OSError as error:
            failed = error
    if failed is not None:
        raise failed
    return removed


def _remove(ledger: Ledger, store: EvidenceStore, tenant: str, digest: str, grace_seconds: float) -> bool:
    """Whether the blob was removed; its sentence is over either way."""
    sentence = and_(condemned.c.tenant_id == tenant, condemned.c.digest == digest)
    with ledger.writing() as connection:
        # Holding the row: whoever wants the blob again waits here, or has deleted it already.
        since = connection.execute(
            update(condemned)
            .where(sentence)
            .values(condemned_at=condemned.c.condemned_at)
            .returning(condemned.c.condemned_at)
        ).scalar_one_or_none()
        if since is None:
            return False
        put_again = (store.put_at(tenant, digest) or 0.0) > since - grace_seconds
        wanted = put_again or holdings.held(connection, tenant, [digest])
        if not wanted:
            store.remove(tenant, digest)
        connection.execute(delete(condemned).where(sentence))
        return not wanted
