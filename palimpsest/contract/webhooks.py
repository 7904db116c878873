"""Webhooks as they are asked for and told, and what became of what they were sent."""

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import Field

from palimpsest.contract.model import Asked, Told

EventType = Literal["audit.succeeded", "audit.failed", "audit.cancelled", "audit.expired"]
"""The ends of an audit."""

EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
LONGEST_URL = 2000


class NewWebhook(Asked):
    """A webhook that is asked for; without ``events`` it is told of every end."""

    url: Annotated[str, Field(min_length=1, max_length=LONGEST_URL, pattern=r"^[!-~]*$")]
    events: Annotated[list[EventType], Field(min_length=1, max_length=len(EVENT_TYPES))] = Field(
        default_factory=lambda: list(EVENT_TYPES)
    )


class Webhook(Told):
    """A webhook without its secrets.

    Until ``former_secret_until`` what it is sent is signed with the secret before this one, too. ``failing_since``: of
    the first try that failed, if none has succeeded since. A webhook that is disabled is sent nothing.
    """

    id: str
    url: str
    events: list[str]
    created_at: datetime
    former_secret_until: datetime | None
    failing_since: datetime | None
    disabled_at: datetime | None


class IssuedWebhook(Webhook):
    """A webhook with a new secret, ``whsec_…``, which is told this once."""

    secret: str


class WebhookList(Told):
    """The webhooks of the caller's tenant, newest first."""

    data: list[Webhook]


class Delivery(Told):
    """Something a webhook is to be told: ``id`` is its ``webhook-id``, equal at every try.

    ``state`` is ``waiting``, ``delivered`` or ``given_up``. ``status`` is that of the last answer; where there was none
    ``error`` says why: ``timeout``, ``unreachable``, or ``forbidden``, an address that is not called.
    """

    id: str
    webhook_id: str
    audit_id: str
    type: str
    state: str
    tries: int
    created_at: datetime
    tried_at: datetime | None
    next_try_at: datetime | None
    status: int | None
    error: str | None


class DeliveryList(Told):
    """What a webhook was told or is to be told, newest first; ``next_before`` is None on the last page."""

    data: list[Delivery]
    next_before: str | None
