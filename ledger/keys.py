"""API keys: who may ask, for which tenant, and what. Of a secret only a salted hash is kept.

    digest = SHA-256(salt · secret)       secret: 256 random bits, so that no slow hash is needed; salt: 128 of its own

A key is found by its prefix, which is no secret, in one read by a unique index; the secret is then compared in constant
time. A key that has expired or was revoked is still found, and says so. Rows are never removed: the log of accesses
names them. Times are the database's clock; ``left`` is counted from the moment of the read.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import JSON, Connection, Select, bindparam, case, column, exists, func, insert, select, update
from ulid import ULID

from ledger.database import now
from ledger.errors import KeyNotFound
from ledger.schema import api_keys


@dataclass(frozen=True)
class KeyRow:
    """A key as it is told: everything but its secret."""

    tenant: str
    id: str
    prefix: str
    name: str
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    last_used_at: float | None


@dataclass(frozen=True)
class Lock:
    """What is needed to let somebody in: ``left`` are the seconds for which the key is good, None for ever.

    ``unused`` are the seconds since its use was last noted, None if it never was.
    """

    tenant: str
    id: str
    scopes: frozenset[str]
    salt: str = field(repr=False)
    digest: str = field(repr=False)
    left: float | None
    unused: float | None

    def fits(self, secret: str) -> bool:
        """Whether this is the key's secret; takes as long for one that is nearly right."""
        return hmac.compare_digest(hashed(self.salt, secret), self.digest)


def hashed(salt: str, secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(f"{salt}{secret}".encode()).hexdigest()


def create(
    connection: Connection,
    tenant: str,
    *,
    prefix: str,
    secret: str,
    name: str,
    scopes: Collection[str],
    seconds: float | None = None,
) -> KeyRow:
    """Record a key, good for ``seconds`` or until it is revoked."""
    salt, key_id = secrets.token_hex(16), f"key_{ULID()}"
    at: float = connection.execute(select(now())).scalar_one()
    row = {
        "tenant_id": tenant,
        "id": key_id,
        "prefix": prefix,
        "salt": salt,
        "digest": hashed(salt, secret),
        "name": name,
        "scopes": sorted(scopes),
        "created_at": at,
        "expires_at": None if seconds is None else at + seconds,
    }
    connection.execute(insert(api_keys).values(**row))
    return get(connection, tenant, key_id)


def get(connection: Connection, tenant: str, key_id: str) -> KeyRow:
    """One key. Raises KeyNotFound, also for another tenant's."""
    row = connection.execute(_told().where(api_keys.c.tenant_id == tenant, api_keys.c.id == key_id)).one_or_none()
    if row is None:
        raise KeyNotFound(key_id)
    return _row(row)


def listed(connection: Connection, tenant: str) -> list[KeyRow]:
    """Every key of a tenant, newest first, those that are not good any more included."""
    return [_row(row) for row in connection.execute(_told().where(api_keys.c.tenant_id == tenant))]


def revoke(connection: Connection, tenant: str, key_id: str) -> KeyRow:
    """The key is not good any more; revoking it twice is revoking it once. Raises KeyNotFound."""
    its = api_keys.c.tenant_id == tenant, api_keys.c.id == key_id
    connection.execute(update(api_keys).where(*its, api_keys.c.revoked_at.is_(None)).values(revoked_at=now()))
    return get(connection, tenant, key_id)


def used(connection: Connection, wanted: Sequence[tuple[str, str]]) -> None:
    """Note that these keys (tenant, id) are in use."""
    for tenant, key_id in sorted(set(wanted)):
        its = api_keys.c.tenant_id == tenant, api_keys.c.id == key_id
        connection.execute(update(api_keys).where(*its).values(last_used_at=now()))


def lasting(connection: Connection, tenant: str, scope: str) -> list[KeyRow]:
    """The keys of a tenant that have this scope, were not revoked and do not expire."""
    good = (row for row in listed(connection, tenant) if row.revoked_at is None and row.expires_at is None)
    return [row for row in good if scope in row.scopes]


@cache
def select_locks(dialect: str) -> Select[Any]:
    """What is asked for every request with a key that was not asked for a moment ago: ``listed``, an array of prefixes.

    One row for each that exists: its prefix, then the fields of a ``Lock``.
    """
    function = func.json_each if dialect == "sqlite" else func.json_array_elements_text
    wanted = function(bindparam("listed", type_=JSON)).table_valued(column("value"), name="listed")
    at = now()
    left = case((api_keys.c.revoked_at.is_not(None), 0.0), else_=api_keys.c.expires_at - at)
    its = (
        api_keys.c.prefix,
        api_keys.c.tenant_id,
        api_keys.c.id,
        api_keys.c.scopes,
        api_keys.c.salt,
        api_keys.c.digest,
    )
    return select(*its, left, at - api_keys.c.last_used_at).select_from(
        wanted.join(api_keys, api_keys.c.prefix == wanted.c.value)
    )


def lock(row: Sequence[Any]) -> tuple[str, Lock]:
    """A row of ``select_locks``: a prefix and its lock."""
    prefix, tenant, key_id, scopes, salt, digest, left, unused = row
    return prefix, Lock(tenant, key_id, frozenset(scopes), salt, digest, left, unused)


def locks(connection: Connection, prefixes: Collection[str]) -> dict[str, Lock]:
    """The locks of the keys with these prefixes; those that do not exist are left out."""
    wanted = {"listed": sorted(set(prefixes))}
    return dict(lock(row) for row in connection.execute(select_locks(connection.dialect.name), wanted))


def select_any() -> Select[Any]:
    """Whether there has ever been a key, of whatever tenant."""
    return select(exists().where(api_keys.c.prefix != ""))


def any_exists(connection: Connection) -> bool:
    """The same, of a connection."""
    return bool(connection.execute(select_any()).scalar_one())


def _told() -> Select[Any]:
    hidden = {"salt", "digest"}
    return select(*(c for c in api_keys.c if c.name not in hidden)).order_by(api_keys.c.id.desc())


def _row(row: Any) -> KeyRow:
    tenant, key_id, prefix, name, scopes, *times = row
    return KeyRow(tenant, key_id, prefix, name, tuple(scopes), *times)
