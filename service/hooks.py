"""What can be done with webhooks: make, list, rotate, remove, look at what they were told and have it told again.

Each change leaves a row in the log of accesses, or is not done.
"""

import base64
import secrets
from collections.abc import Collection
from datetime import UTC, datetime

from ledger import accesses, deliveries, webhooks
from ledger.database import Ledger
from ledger.deliveries import DeliveryRow
from ledger.webhooks import WebhookRow
from palimpsest.contract.problems import Code, FieldProblem
from palimpsest.contract.webhooks import Delivery, DeliveryList, IssuedWebhook, NewWebhook, Webhook
from service.addresses import Forbidden, checked_url
from service.callers import Caller
from service.errors import refused
from service.identity import checked_delivery, checked_webhook

OVERLAP_SECONDS = 86_400.0
"""For how long the secret before a rotation signs too."""


def minted() -> str:
    """A secret of 256 random bits, as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def create(ledger: Ledger, caller: Caller, asked: NewWebhook, *, private: Collection[str]) -> IssuedWebhook:
    """A new webhook of the caller's tenant; nobody is told of its secret again. Refuses what could not be called."""
    try:
        checked_url(asked.url, private)
    except Forbidden as error:
        problem = FieldProblem(field="url", code=Code.WEBHOOK_URL_REFUSED, detail=str(error))
        raise refused([problem]) from None
    secret = minted()
    with ledger.writing() as connection:
        row = webhooks.create(connection, caller.tenant, url=asked.url, events=asked.events, secret=secret)
        accesses.append(connection, caller.tenant, actor=caller.actor, action="webhook.created", subject=row.id)
    return IssuedWebhook(secret=secret, **told(row).model_dump())


def every(ledger: Ledger, caller: Caller) -> list[Webhook]:
    """The webhooks of the caller's tenant, newest first."""
    with ledger.reading() as connection:
        return [told(row) for row in webhooks.listed(connection, caller.tenant)]


def find(ledger: Ledger, caller: Caller, webhook_id: str) -> Webhook:
    """One of them. Raises WebhookNotFound, also for another tenant's."""
    with ledger.reading() as connection:
        return told(webhooks.get(connection, caller.tenant, checked_webhook(webhook_id)))


def rotate(ledger: Ledger, caller: Caller, webhook_id: str) -> IssuedWebhook:
    """Another secret, beside the one there was for a day. Raises WebhookNotFound."""
    secret = minted()
    with ledger.writing() as connection:
        its = checked_webhook(webhook_id)
        row = webhooks.rotate(connection, caller.tenant, its, secret=secret, seconds=OVERLAP_SECONDS)
        accesses.append(connection, caller.tenant, actor=caller.actor, action="webhook.rotated", subject=row.id)
    return IssuedWebhook(secret=secret, **told(row).model_dump())


def remove(ledger: Ledger, caller: Caller, webhook_id: str) -> Webhook:
    """It is told nothing any more, and what it was told is forgotten. Raises WebhookNotFound."""
    with ledger.writing() as connection:
        row = webhooks.remove(connection, caller.tenant, checked_webhook(webhook_id))
        accesses.append(connection, caller.tenant, actor=caller.actor, action="webhook.removed", subject=row.id)
    return told(row)


def history(ledger: Ledger, caller: Caller, webhook_id: str, *, limit: int, before: str | None) -> DeliveryList:
    """A page of what it was told or is to be told, newest first. Raises WebhookNotFound."""
    with ledger.reading() as connection:
        its = checked_webhook(webhook_id)
        rows = deliveries.page(connection, caller.tenant, its, limit=limit + 1, before=before)
    more = rows[limit - 1].id if len(rows) > limit else None
    return DeliveryList(data=[delivery(row) for row in rows[:limit]], next_before=more)


def replay(ledger: Ledger, caller: Caller, webhook_id: str, delivery_id: str) -> Delivery:
    """Tell it again, under the same id. Raises WebhookNotFound or DeliveryNotFound."""
    with ledger.writing() as connection:
        its, which = checked_webhook(webhook_id), checked_delivery(delivery_id)
        row = deliveries.replay(connection, caller.tenant, its, which)
        accesses.append(connection, caller.tenant, actor=caller.actor, action="webhook.replayed", subject=row.id)
    return delivery(row)


def told(row: WebhookRow) -> Webhook:
    """A webhook in the contract's words."""
    return Webhook(
        id=row.id,
        url=row.url,
        events=list(row.events),
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        former_secret_until=_moment(row.former_until),
        failing_since=_moment(row.failing_since),
        disabled_at=_moment(row.disabled_at),
    )


def delivery(row: DeliveryRow) -> Delivery:
    """A delivery in the contract's words."""
    waits = row.due_at if row.state == "waiting" else None
    return Delivery(
        **{name: getattr(row, name) for name in ("id", "webhook_id", "audit_id", "type", "state", "tries")},
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        tried_at=_moment(row.tried_at),
        next_try_at=_moment(waits),
        status=row.status,
        error=row.error,
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
