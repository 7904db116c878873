"""API keys as they are asked for and told: what each may do, since when, and until when."""

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import Field

from palimpsest.contract.model import Asked, Told

Scope = Literal["audits:read", "audits:write", "evidence:read", "admin"]
"""Read audits, their events, their reports and the catalogue; submit and cancel them, and send what they name; read
what was recovered and what recovers it, which may be dangerous; issue and revoke keys and look after webhooks. None
implies another."""

SCOPES: tuple[Scope, ...] = get_args(Scope)
MOST_DAYS = 3650


class NewKey(Asked):
    """A key that is asked for; without ``days`` it is good until it is revoked."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(SCOPES))]
    days: Annotated[int, Field(ge=1, le=MOST_DAYS)] | None = None


class Key(Told):
    """A key without its secret. ``prefix`` is how it begins, behind ``pal_``; ``last_used_at`` is good to a minute."""

    id: str
    prefix: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class IssuedKey(Key):
    """A new key; ``key`` is the whole of it and is told this once."""

    key: str


class KeyList(Told):
    """The keys of the caller's tenant, newest first, with those that are not good any more."""

    data: list[Key]
