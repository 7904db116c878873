"""The webhooks of one's own tenant, made and looked after by whoever has the scope ``admin``.

with AuditClient(url, api_key=admins) as client:
    hook = client.webhooks.create("https://ci.example/palimpsest", ["audit.succeeded", "audit.failed"])
    print(hook.secret)                             # this once
    client.webhooks.deliveries(hook.id)
"""

from collections.abc import Sequence
from typing import TypeVar
from urllib.parse import quote

from palimpsest.contract.webhooks import (
    EVENT_TYPES,
    Delivery,
    DeliveryList,
    EventType,
    IssuedWebhook,
    NewWebhook,
    Webhook,
    WebhookList,
)
from palimpsest.exchange import Call, Talk, ask, parsed
from palimpsest.keys import ONCE, Speaks, SpeaksLater

T = TypeVar("T")
WEBHOOKS = "/v1/webhooks"


def create(url: str, events: Sequence[EventType]) -> Talk[IssuedWebhook]:
    """A new webhook; a ValueError for what cannot be one. Asked for once: one that nobody knows is told for nothing."""
    body = NewWebhook(url=url, events=list(events)).model_dump_json().encode()
    call = Call("POST", WEBHOOKS, headers={"content-type": "application/json"}, body=body)
    return parsed(IssuedWebhook, (yield from ask(call, patience=ONCE)))


def listed() -> Talk[WebhookList]:
    """Every webhook."""
    return parsed(WebhookList, (yield from ask(Call("GET", WEBHOOKS))))


def rotate(webhook_id: str) -> Talk[IssuedWebhook]:
    """Another secret; asked for once, for a second rotation ends the first secret's time."""
    return parsed(IssuedWebhook, (yield from ask(Call("POST", f"{address(webhook_id)}/rotate"), patience=ONCE)))


def remove(webhook_id: str) -> Talk[Webhook]:
    """A webhook that was."""
    return parsed(Webhook, (yield from ask(Call("DELETE", address(webhook_id)))))


def deliveries(webhook_id: str, *, before: str | None) -> Talk[DeliveryList]:
    """A page of what it was told."""
    query = {} if before is None else {"before": before}
    return parsed(DeliveryList, (yield from ask(Call("GET", f"{address(webhook_id)}/deliveries", query=query))))


def replay(webhook_id: str, delivery_id: str) -> Talk[Delivery]:
    """Something that will be told again."""
    which = f"{address(webhook_id)}/deliveries/{quote(delivery_id, safe='')}"
    return parsed(Delivery, (yield from ask(Call("POST", f"{which}/replay"))))


def address(webhook_id: str) -> str:
    """Where a webhook is looked after."""
    return f"{WEBHOOKS}/{quote(webhook_id, safe='')}"


class Webhooks:
    """``AuditClient.webhooks``."""

    def __init__(self, talk: Speaks) -> None:
        self._talk = talk

    def create(self, url: str, events: Sequence[EventType] = EVENT_TYPES) -> IssuedWebhook:
        """A new webhook that is told of these ends. Its secret is told this once."""
        return self._talk(create(url, events))

    def list(self) -> WebhookList:
        """Every webhook, newest first, without secrets."""
        return self._talk(listed())

    def rotate(self, webhook_id: str) -> IssuedWebhook:
        """Another secret; for a day the one before it signs, too."""
        return self._talk(rotate(webhook_id))

    def remove(self, webhook_id: str) -> Webhook:
        """It is told nothing any more, and what it was told is forgotten."""
        return self._talk(remove(webhook_id))

    def deliveries(self, webhook_id: str, *, before: str | None = None) -> DeliveryList:
        """What it was told or is to be told, newest first; the next page begins ``before`` the last one's end."""
        return self._talk(deliveries(webhook_id, before=before))

    def replay(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Have it told again, under the same id."""
        return self._talk(replay(webhook_id, delivery_id))


class AsyncWebhooks:
    """``AsyncAuditClient.webhooks``: the same, awaited."""

    def __init__(self, talk: SpeaksLater) -> None:
        self._talk = talk

    async def create(self, url: str, events: Sequence[EventType] = EVENT_TYPES) -> IssuedWebhook:
        """See ``Webhooks.create``."""
        return await self._talk(create(url, events))

    async def list(self) -> WebhookList:
        """See ``Webhooks.list``."""
        return await self._talk(listed())

    async def rotate(self, webhook_id: str) -> IssuedWebhook:
        """See ``Webhooks.rotate``."""
        return await self._talk(rotate(webhook_id))

    async def remove(self, webhook_id: str) -> Webhook:
        """See ``Webhooks.remove``."""
        return await self._talk(remove(webhook_id))

    async def deliveries(self, webhook_id: str, *, before: str | None = None) -> DeliveryList:
        """See ``Webhooks.deliveries``."""
        return await self._talk(deliveries(webhook_id, before=before))

    async def replay(self, webhook_id: str, delivery_id: str) -> Delivery:
        """See ``Webhooks.replay``."""
        return await self._talk(replay(webhook_id, delivery_id))
