"""The form ids have; what has another is the id of nothing, and no database is asked what it makes of it."""

import re

from ledger.errors import (
    DeliveryNotFound,
    ImageNotFound,
    KeyNotFound,
    NotFound,
    TargetSetNotFound,
    WebhookNotFound,
)

DIGEST = re.compile(r"[0-9a-f]{64}")
ID = re.compile(r"aud_[0-9A-Z]{26}")
SET_ID = re.compile(r"tset_[0-9A-Z]{26}")
KEY_ID = re.compile(r"key_[0-9A-Z]{26}")
WEBHOOK_ID = re.compile(r"whk_[0-9A-Z]{26}")
DELIVERY_ID = re.compile(r"msg_[0-9A-Z]{26}")


def checked(audit_id: str) -> str:
    """The same id. Raises NotFound for what cannot be an audit's."""
    if not ID.fullmatch(audit_id):
        raise NotFound(audit_id)
    return audit_id


def checked_key(key_id: str) -> str:
    """The same id. Raises KeyNotFound for what cannot be a key's."""
    if not KEY_ID.fullmatch(key_id):
        raise KeyNotFound(key_id)
    return key_id


def checked_webhook(webhook_id: str) -> str:
    """The same id. Raises WebhookNotFound for what cannot be a webhook's."""
    if not WEBHOOK_ID.fullmatch(webhook_id):
        raise WebhookNotFound(webhook_id)
    return webhook_id


def checked_delivery(delivery_id: str) -> str:
    """The same id. Raises DeliveryNotFound for what cannot be a delivery's."""
    if not DELIVERY_ID.fullmatch(delivery_id):
        raise DeliveryNotFound(delivery_id)
    return delivery_id


def checked_set(set_id: str) -> str:
    """The same id. Raises TargetSetNotFound for what cannot be an uploaded set's."""
    if not SET_ID.fullmatch(set_id):
        raise TargetSetNotFound(set_id)
    return set_id


def checked_image(digest: str) -> str:
    """The same digest. Raises ImageNotFound for what cannot be an uploaded image's."""
    if not DIGEST.fullmatch(digest):
        raise ImageNotFound(digest)
    return digest
