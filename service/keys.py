"""What can be done with API keys: issue, list, revoke. Each leaves a row in the log of accesses, or is not done."""

from datetime import UTC, datetime

from ledger import accesses, keys
from ledger.database import Ledger
from ledger.keys import KeyRow
from palimpsest.api_key import ApiKey
from palimpsest.contract.keys import IssuedKey, Key, NewKey
from palimpsest.contract.problems import Code, FieldProblem
from service.callers import KEYLESS, Caller
from service.errors import refused
from service.identity import checked_key

DAY = 86_400.0


def issue(ledger: Ledger, caller: Caller, asked: NewKey) -> IssuedKey:
    """A new key of the caller's tenant; nobody is told of its secret again. Refuses a first one that locks all out."""
    if caller.actor == KEYLESS and "admin" not in asked.scopes:
        detail = "the first key needs the scope admin: once there is one, nobody can do anything without"
        raise refused([FieldProblem(field="scopes", code=Code.MALFORMED_REQUEST, detail=detail)])
    minted = ApiKey.minted()
    seconds = None if asked.days is None else asked.days * DAY
    with ledger.writing() as connection:
        row = keys.create(
            connection,
            caller.tenant,
            prefix=minted.prefix,
            secret=minted.secret,
            name=asked.name,
            scopes=set(asked.scopes),
            seconds=seconds,
        )
        accesses.append(connection, caller.tenant, actor=caller.actor, action="key.issued", subject=row.id)
    return IssuedKey(key=minted.text, **told(row).model_dump())


def every(ledger: Ledger, caller: Caller) -> list[Key]:
    """The keys of the caller's tenant, newest first."""
    with ledger.writing() as connection:
        accesses.append(connection, caller.tenant, actor=caller.actor, action="keys.listed", subject="")
        rows = keys.listed(connection, caller.tenant)
    return [told(row) for row in rows]


def revoke(ledger: Ledger, caller: Caller, key_id: str) -> Key:
    """The key as it is now: good no more. Raises KeyNotFound, also for another tenant's."""
    with ledger.writing() as connection:
        row = keys.revoke(connection, caller.tenant, checked_key(key_id))
        accesses.append(connection, caller.tenant, actor=caller.actor, action="key.revoked", subject=row.id)
    return told(row)


def told(row: KeyRow) -> Key:
    """A key in the contract's words."""
    return Key(
        id=row.id,
        prefix=row.prefix,
        name=row.name,
        scopes=list(row.scopes),
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        expires_at=_moment(row.expires_at),
        revoked_at=_moment(row.revoked_at),
        last_used_at=_moment(row.last_used_at),
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
