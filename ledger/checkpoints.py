"""The newest state of a unit that is not finished yet: one row of evidence, which the next state takes over.

    keep      under the unit's fence: the row names the new state, and whoever kept it may remove the one before
    newest    what the next holder of the unit goes on from
    retire    once the unit has ended, however it did: ``ledger.collection`` then treats the blob like any other

A state carries its unit and its fence in its bytes, so that nobody else ever puts or holds the same blob. That is why
the state before may be removed at once, without a sentence and a grace period, and why a backup leaves states out.
"""

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, select

from ledger import events, holdings
from ledger.errors import StaleFence
from ledger.evidence import Kept
from ledger.moves import Ticket, held
from ledger.schema import TERMINAL_UNITS, evidence, units

KIND = "checkpoint"
NAME = "checkpoint"


def keep(connection: Connection, ticket: Ticket, kept: Kept) -> str | None:
    """Name the newest state of a held unit; the digest of the one before, which nothing holds any more.

    Raises StaleFence when the lease has passed on, and EvidenceMissing as ``holdings.hold`` does.
    """
    events.lock(connection, ticket.tenant, ticket.audit_id)
    if connection.execute(select(units.c.id).where(held(ticket))).one_or_none() is None:
        raise StaleFence(f"unit {ticket.unit_id} is no longer held under fence {ticket.fence}")
    before = newest(connection, ticket.tenant, ticket.unit_id)
    connection.execute(delete(evidence).where(_of(ticket.tenant, ticket.unit_id)))
    holdings.hold(connection, ticket.tenant, ticket.audit_id, ticket.unit_id, [kept])
    return None if before == kept.digest else before


def newest(connection: Connection, tenant: str, unit_id: str) -> str | None:
    """The digest of the unit's newest state; None when it has none, or has ended and had it retired."""
    chosen = select(evidence.c.digest).where(_of(tenant, unit_id), evidence.c.removed_at.is_(None))
    return connection.execute(chosen).scalar_one_or_none()


def is_over() -> ColumnElement[bool]:
    """A clause on ``evidence``: a state whose unit has ended."""
    ended = exists().where(
        units.c.tenant_id == evidence.c.tenant_id,
        units.c.id == evidence.c.unit_id,
        units.c.state.in_(TERMINAL_UNITS),
    )
    return and_(evidence.c.kind == KIND, ended)


def _of(tenant: str, unit_id: str) -> ColumnElement[bool]:
    return and_(evidence.c.tenant_id == tenant, evidence.c.unit_id == unit_id, evidence.c.name == NAME)
