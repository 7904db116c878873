"""Who is asking, and whether they may: by an API key, or by being on this machine while there is no key at all.

A route says what it needs by one of the annotations at the end; a direct route awaits the same in its own words. So
OpenAPI tells every route's scope, and a route without one is a failed test (``service/tests/test_callers.py``).
"""

import base64
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Annotated, Any

from fastapi import Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.types import Scope as Connection

from ledger.catalogue import HOME
from palimpsest.api_key import ApiKey
from palimpsest.contract.keys import SCOPES, Scope
from palimpsest.contract.problems import Code
from service.errors import Unknown
from service.keyring import Keyring
from service.observability import bear, borne, note

KEYLESS = "keyless"
"""The actor of whoever asks without a key."""

SAFE = ("GET", "HEAD")
FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip")


@dataclass(frozen=True)
class Caller:
    """A tenant, and who acts in its name: the id of a key."""

    tenant: str
    actor: str
    scopes: frozenset[str]


ANYBODY_HERE = Caller(HOME, KEYLESS, frozenset(SCOPES))


class Needs(SecurityBase):
    """A dependency: the caller, if the scope is theirs. Raises Unknown."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.model = HTTPBearer(
            description=f"An API key, `pal_…`. A route names the scope it needs: {', '.join(SCOPES)}"
        )
        self.scheme_name = "apiKey"

    async def __call__(self, request: Request) -> Caller:
        """Who makes this request; its line says so, and it counts against their rate. Raises Unknown or RateLimited."""
        caller = await known(request.app.state.desk.keyring, request)
        note(request.scope, tenant=caller.tenant, actor=caller.actor)
        if caller.actor != KEYLESS and borne(request.scope) is None:  # once a request, however often it is looked at
            bear(request.scope, request.app.state.desk.limits.take(caller.tenant, caller.actor))
        if self.scope not in caller.scopes:
            detail = f"the key does not have the scope {self.scope}"
            raise Unknown(Code.SCOPE_MISSING, detail, error="insufficient_scope", scope=self.scope)
        return caller

    async def still(self, request: Request) -> bool:
        """Whether who was let in still would be; for answers that take their time."""
        try:
            await self(request)
        except Unknown:
            return False
        return True

    def described(self) -> dict[str, Any]:
        """What OpenAPI says of a direct route's security."""
        return {"security": [{self.scheme_name: [self.scope]}]}


async def known(keyring: Keyring, request: Request) -> Caller:
    """Whose request this is. Raises Unknown."""
    sent = request.headers.get("authorization")
    if sent is None:
        return await without_key(keyring, request)
    key = presented(sent, request.method)
    lock = None if key is None else await keyring.holder(key)
    if lock is None:
        detail = "not an API key, or not the whole of one" if key is None else "no such API key, or it is good no more"
        raise Unknown(Code.API_KEY_INVALID, detail, error="invalid_token")
    return Caller(lock.tenant, lock.id, lock.scopes)


async def without_key(keyring: Keyring, request: Request) -> Caller:
    """Whoever is on this machine, as long as there is no key. Raises Unknown."""
    if not is_local(request.scope):
        raise Unknown(Code.API_KEY_MISSING, "only this machine may ask without an API key")
    if await keyring.any():
        raise Unknown(Code.API_KEY_MISSING, "send Authorization: Bearer and an API key")
    return ANYBODY_HERE


def presented(authorization: str, method: str = "GET") -> ApiKey | None:
    """The key in the header; None where there is none, or one with a typo.

    A browser asks its user and sends the key as the password of Basic (RFC 7617), from then on by itself: so it is only
    taken where nothing is changed, for a page from elsewhere can have a browser send a form here.
    """
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() == "basic" and method in SAFE:
        return ApiKey.read(password(text.strip()))
    return ApiKey.read(text.strip()) if scheme.lower() == "bearer" else None


def password(credentials: str) -> str:
    """The password in Basic's credentials; empty where there is none."""
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2].strip()
    except ValueError:  # not base64, or not UTF-8
        return ""


def is_local(connection: Connection) -> bool:
    """Whether a request came from this machine, to a loopback address, under a loopback name, and by no proxy.

    The name, because a page in a browser on this machine can have any other name resolve to 127.0.0.1; nor may the page
    be from elsewhere, for it can send what it cannot read the answer to.
    """
    headers = dict(connection["headers"])
    client, server = connection.get("client"), connection.get("server")
    if not client or not server or any(name in headers for name in FORWARDED):
        return False
    hosts = [client[0], server[0], without_port(headers.get(b"host", b"").decode("latin-1"))]
    if b"origin" in headers:
        hosts.append(without_port(headers[b"origin"].decode("latin-1").partition("://")[2]))
    return all(is_loopback(host) for host in hosts)


def without_port(name: str) -> str:
    """``[::1]:8000`` is ``::1``, ``localhost:8000`` is ``localhost``."""
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0]


@lru_cache(1024)
def is_loopback(host: str) -> bool:
    """Whether a host is this machine's own, by its address or as ``localhost``."""
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


READS, WRITES, READS_EVIDENCE, ADMINISTERS = map(Needs, SCOPES)

MayRead = Annotated[Caller, Security(READS, scopes=[READS.scope])]
MayWrite = Annotated[Caller, Security(WRITES, scopes=[WRITES.scope])]
MayReadEvidence = Annotated[Caller, Security(READS_EVIDENCE, scopes=[READS_EVIDENCE.scope])]
MayAdminister = Annotated[Caller, Security(ADMINISTERS, scopes=[ADMINISTERS.scope])]
