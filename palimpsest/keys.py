"""The API keys of one's own tenant, issued and revoked by whoever has the scope ``admin``.

with AuditClient(url, api_key=admins) as client:
    issued = client.keys.create("pipeline", ["audits:read", "audits:write"], days=90)
    print(issued.key)                              # this once
    client.keys.revoke(issued.id)
"""

from collections.abc import Awaitable, Sequence
from typing import Protocol, TypeVar
from urllib.parse import quote

from palimpsest.contract.keys import IssuedKey, Key, KeyList, NewKey, Scope
from palimpsest.exchange import Call, Patience, Talk, ask, parsed

T = TypeVar("T")
KEYS = "/v1/admin/keys"
ONCE = Patience(repeats=0)
"""A key whose answer was lost would be one that nobody knows: a call to issue one is not repeated."""


def create(name: str, scopes: Sequence[Scope], *, days: int | None) -> Talk[IssuedKey]:
    """A new key; a ValueError for what cannot be one."""
    body = NewKey(name=name, scopes=list(scopes), days=days).model_dump_json(exclude_none=True).encode()
    call = Call("POST", KEYS, headers={"content-type": "application/json"}, body=body)
    return parsed(IssuedKey, (yield from ask(call, patience=ONCE)))


def listed() -> Talk[KeyList]:
    """Every key there has been."""
    return parsed(KeyList, (yield from ask(Call("GET", KEYS))))


def revoke(key_id: str) -> Talk[Key]:
    """A key that is good no more."""
    return parsed(Key, (yield from ask(Call("DELETE", f"{KEYS}/{quote(key_id, safe='')}"))))


class Speaks(Protocol):
    """How a blocking client talks."""

    def __call__(self, talk: Talk[T], /) -> T:
        """To the end."""


class SpeaksLater(Protocol):
    """How an awaiting client talks."""

    def __call__(self, talk: Talk[T], /) -> Awaitable[T]:
        """To the end."""


class Keys:
    """``AuditClient.keys``."""

    def __init__(self, talk: Speaks) -> None:
        self._talk = talk

    def create(self, name: str, scopes: Sequence[Scope], *, days: int | None = None) -> IssuedKey:
        """A new key, good for so many days or until it is revoked. Its secret is told this once."""
        return self._talk(create(name, scopes, days=days))

    def list(self) -> KeyList:
        """Every key there has been, newest first, without secrets."""
        return self._talk(listed())

    def revoke(self, key_id: str) -> Key:
        """The key is good no more, everywhere within five seconds."""
        return self._talk(revoke(key_id))


class AsyncKeys:
    """``AsyncAuditClient.keys``: the same, awaited."""

    def __init__(self, talk: SpeaksLater) -> None:
        self._talk = talk

    async def create(self, name: str, scopes: Sequence[Scope], *, days: int | None = None) -> IssuedKey:
        """See ``Keys.create``."""
        return await self._talk(create(name, scopes, days=days))

    async def list(self) -> KeyList:
        """See ``Keys.list``."""
        return await self._talk(listed())

    async def revoke(self, key_id: str) -> Key:
        """See ``Keys.revoke``."""
        return await self._talk(revoke(key_id))
