"""How much a tenant may have open at once: audits that have not ended, and the targets of these together.

The counting and the accepting are one transaction, and no two of them for one tenant overlap: on SQLite every writer
waits for the other, on PostgreSQL by a lock of the tenant's. So the sum never passes the quota, however many gateways.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, delete, func, select

from ledger.database import upsert
from ledger.errors import QuotaExceeded
from ledger.outgoing import quotas
from ledger.schema import OPEN_AUDITS, audits

AUDITS, TARGETS = "open-audits", "open-targets"
"""The quotas' names."""


@dataclass(frozen=True)
class Quota:
    """So many audits, and so many targets, may be open at a time; 0 stands for any number."""

    audits: int
    targets: int


class Sized(Protocol):
    """A submission, as far as it is counted."""

    @property
    def targets(self) -> int:
        """How many it has."""

    @property
    def quota(self) -> Quota | None:
        """What holds for a tenant without a quota of its own; None: nothing is counted."""


@dataclass
class Room:
    """What a tenant has open under its quota."""

    quota: Quota
    audits: int
    targets: int

    def has_for(self, asked: Sequence[Sized]) -> bool:
        """Whether all of these fit in together."""
        total = sum(one.targets for one in asked)
        return _fits(self.audits, len(asked), self.quota.audits) and _fits(self.targets, total, self.quota.targets)

    def take(self, one: Sized) -> QuotaExceeded | None:
        """Make room for this one, or say why there is none."""
        if not _fits(self.audits, 1, self.quota.audits):
            return QuotaExceeded(AUDITS, self.quota.audits, open_now=self.audits, asked=1)
        if not _fits(self.targets, one.targets, self.quota.targets):
            return QuotaExceeded(TARGETS, self.quota.targets, open_now=self.targets, asked=one.targets)
        self.audits, self.targets = self.audits + 1, self.targets + one.targets
        return None


def _fits(open_now: int, asked: int, most: int) -> bool:
    return most == 0 or open_now + asked <= most


def rooms(connection: Connection, asked: Sequence[tuple[str, Sized]]) -> dict[str, Room]:
    """The room of every tenant that is counted, and nobody else takes of it until this transaction has ended."""
    given = {tenant: submission.quota for tenant, submission in asked if submission.quota is not None}
    tenants = sorted(given)
    if not tenants:
        return {}
    if connection.dialect.name == "postgresql":
        for tenant in tenants:  # in one order, so that two gateways wait for each other and not both for ever
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(tenant, 2507168803))))
    rows = connection.execute(select(quotas).where(quotas.c.tenant_id.in_(tenants)))
    owned = {row.tenant_id: Quota(row.audits, row.targets) for row in rows}
    counted = connection.execute(
        select(audits.c.tenant_id, func.count(), func.sum(audits.c.targets))
        .where(audits.c.tenant_id.in_(tenants), audits.c.state.in_(OPEN_AUDITS))
        .group_by(audits.c.tenant_id)
    )
    loads = {tenant: (int(count), int(targets)) for tenant, count, targets in counted}
    return {tenant: Room(owned.get(tenant, quota), *loads.get(tenant, (0, 0))) for tenant, quota in given.items()}


def set_for(connection: Connection, tenant: str, quota: Quota) -> None:
    """From now on this is the tenant's own; what is open already stays open."""
    row = {"audits": quota.audits, "targets": quota.targets}
    insert = upsert(connection, quotas).values(tenant_id=tenant, **row)
    connection.execute(insert.on_conflict_do_update(index_elements=["tenant_id"], set_=row))


def forget(connection: Connection, tenant: str) -> bool:
    """The tenant has the deployment's again; whether it had one of its own."""
    return connection.execute(delete(quotas).where(quotas.c.tenant_id == tenant)).rowcount > 0


def own(connection: Connection, tenant: str) -> Quota | None:
    """The tenant's own; None where the deployment's holds."""
    row = connection.execute(
        select(quotas.c.audits, quotas.c.targets).where(quotas.c.tenant_id == tenant)
    ).one_or_none()
    return None if row is None else Quota(*row)
