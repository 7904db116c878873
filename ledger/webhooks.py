"""Webhooks: where a tenant wants to be told of its audits' ends, and the secrets that what is told is signed with.

Secrets are kept as they are, for they have to sign; a worker's role in the database cannot read them. After a rotation
the former one signs beside the new for a while, so that a receiver may change over when it likes. A webhook that has
failed for long is disabled: it is told nothing until somebody removes it and makes another.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update
from ulid import ULID

from ledger.database import now
from ledger.errors import QuotaExceeded, WebhookNotFound
from ledger.outgoing import deliveries, webhooks

MOST = 20
"""Webhooks of a tenant."""
QUOTA = "webhooks"


@dataclass(frozen=True)
class WebhookRow:
    """A webhook as it is told: everything but its secrets."""

    tenant: str
    id: str
    url: str
    events: tuple[str, ...]
    created_at: float
    former_until: float | None
    failing_since: float | None
    disabled_at: float | None


@dataclass(frozen=True)
class Address:
    """Where a delivery goes, and the secrets that sign it, the newest first."""

    url: str
    secrets: tuple[str, ...] = field(repr=False)


def create(connection: Connection, tenant: str, *, url: str, events: Collection[str], secret: str) -> WebhookRow:
    """Record a webhook. Raises QuotaExceeded where the tenant has as many as it may."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(tenant, 2507168804))))
    there = connection.execute(select(func.count()).where(webhooks.c.tenant_id == tenant)).scalar_one()
    if there >= MOST:
        raise QuotaExceeded(QUOTA, MOST, open_now=there, asked=1, ends=False)
    row = {"id": f"whk_{ULID()}", "url": url, "events": sorted(set(events)), "secret": secret}
    connection.execute(insert(webhooks).values(tenant_id=tenant, created_at=now(), **row))
    return get(connection, tenant, str(row["id"]))


def get(connection: Connection, tenant: str, webhook_id: str) -> WebhookRow:
    """One webhook. Raises WebhookNotFound, also for another tenant's."""
    its = webhooks.c.tenant_id == tenant, webhooks.c.id == webhook_id
    row = connection.execute(_told().where(*its)).one_or_none()
    if row is None:
        raise WebhookNotFound(webhook_id)
    return _row(row)


def listed(connection: Connection, tenant: str) -> list[WebhookRow]:
    """Every webhook of a tenant, newest first."""
    return [_row(row) for row in connection.execute(_told().where(webhooks.c.tenant_id == tenant))]


def remove(connection: Connection, tenant: str, webhook_id: str) -> WebhookRow:
    """The webhook as it was; it and all that was ever owed to it are gone. Raises WebhookNotFound."""
    # Its row is locked first: a delivery that is being written for it waits, and then finds no webhook.
    was = webhooks.c.tenant_id == tenant, webhooks.c.id == webhook_id
    connection.execute(select(webhooks.c.id).where(*was).with_for_update())
    row = get(connection, tenant, webhook_id)
    its = deliveries.c.tenant_id == tenant, deliveries.c.webhook_id == webhook_id
    connection.execute(delete(deliveries).where(*its))
    connection.execute(delete(webhooks).where(*was))
    return row


def rotate(connection: Connection, tenant: str, webhook_id: str, *, secret: str, seconds: float) -> WebhookRow:
    """Sign with another secret from now on, and with the one before it too for so long. Raises WebhookNotFound."""
    its = webhooks.c.tenant_id == tenant, webhooks.c.id == webhook_id
    values = {"secret": secret, "former_secret": webhooks.c.secret, "former_until": now() + seconds}
    connection.execute(update(webhooks).where(*its).values(**values))
    return get(connection, tenant, webhook_id)


def address(connection: Connection, tenant: str, webhook_id: str) -> Address | None:
    """Where to deliver now; None if the webhook is gone or disabled."""
    former = webhooks.c.former_until > now()
    row = connection.execute(
        select(webhooks.c.url, webhooks.c.secret, webhooks.c.former_secret, former.label("both")).where(
            webhooks.c.tenant_id == tenant, webhooks.c.id == webhook_id, webhooks.c.disabled_at.is_(None)
        )
    ).one_or_none()
    if row is None:
        return None
    return Address(row.url, (row.secret, row.former_secret) if row.both else (row.secret,))


def succeeded(connection: Connection, tenant: str, webhook_id: str) -> None:
    """It has been told something, and said so."""
    its = webhooks.c.tenant_id == tenant, webhooks.c.id == webhook_id, webhooks.c.failing_since.is_not(None)
    connection.execute(update(webhooks).where(*its).values(failing_since=None))


def failed(connection: Connection, tenant: str, webhook_id: str) -> None:
    """It could not be told something."""
    its = webhooks.c.tenant_id == tenant, webhooks.c.id == webhook_id, webhooks.c.failing_since.is_(None)
    connection.execute(update(webhooks).where(*its).values(failing_since=now()))


def disable(connection: Connection, tenant: str, webhook_id: str, *, failing: float = 0.0) -> bool:
    """Tell it nothing any more, if it has failed for at least so many seconds; whether it is disabled by this."""
    its = webhooks.c.tenant_id == tenant, webhooks.c.id == webhook_id, webhooks.c.disabled_at.is_(None)
    long_ago = webhooks.c.failing_since <= now() - failing
    disabled = connection.execute(update(webhooks).where(*its, long_ago).values(disabled_at=now())).rowcount > 0
    if disabled:
        waiting = (
            deliveries.c.tenant_id == tenant,
            deliveries.c.webhook_id == webhook_id,
            deliveries.c.state == "waiting",
        )
        connection.execute(update(deliveries).where(*waiting).values(state="given_up"))
    return disabled


def _told() -> Select[Any]:
    columns = [
        webhooks.c.tenant_id,
        *(webhooks.c[name] for name in WebhookRow.__dataclass_fields__ if name != "tenant"),
    ]
    return select(*columns).order_by(webhooks.c.id.desc())


def _row(row: Any) -> WebhookRow:
    tenant, webhook_id, url, events, *times = row
    return WebhookRow(tenant, webhook_id, url, tuple(events), *times)
