"""Audits whose end has yet to be told to webhooks: written with the end itself, by whoever brings it about.

A worker can add to them and no more: it neither reads where a tenant's webhooks are nor what they are signed with.
Whoever may turns each into deliveries (``fan_out``), one for every webhook that asks for such an end, and deletes it in
the same transaction: an end is told to a webhook once, however many sweepers there are.
"""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select, tuple_
from ulid import ULID

from ledger.database import now
from ledger.outgoing import deliveries, endings, webhooks
from ledger.schema import audits


def note(connection: Connection, tenant: str, audit_id: str) -> None:
    """This audit has ended."""
    connection.execute(insert(endings).values(tenant_id=tenant, audit_id=audit_id, at=now()))


def fan_out(connection: Connection, limit: int = 100) -> int:
    """Owe every webhook its word of up to ``limit`` audits; how many deliveries these are."""
    ended = _taken(connection, limit)
    if not ended:
        return 0
    rows = [row for audit in ended for row in _deliveries(connection, audit)]
    if rows:
        connection.execute(insert(deliveries).values(state="waiting", due_at=now(), created_at=now()), rows)
    return len(rows)


def _taken(connection: Connection, limit: int) -> list[Any]:
    """The audits that ended first and that no other transaction is just taking; nobody takes them again."""
    its_audit = and_(audits.c.tenant_id == endings.c.tenant_id, audits.c.id == endings.c.audit_id)
    chosen = select(endings.c.tenant_id, endings.c.audit_id).order_by(endings.c.at).limit(limit)
    if connection.dialect.name == "postgresql":
        chosen = chosen.with_for_update(skip_locked=True)
    names = [tuple(row) for row in connection.execute(chosen)]
    if not names:
        return []
    found = connection.execute(
        select(audits.c.tenant_id, audits.c.id, audits.c.state, audits.c.outcome, audits.c.report_digest, endings.c.at)
        .join(endings, its_audit)
        .where(tuple_(endings.c.tenant_id, endings.c.audit_id).in_(names))
        .order_by(endings.c.at)
    ).all()
    connection.execute(delete(endings).where(tuple_(endings.c.tenant_id, endings.c.audit_id).in_(names)))
    return list(found)


def _deliveries(connection: Connection, audit: Any) -> list[dict[str, Any]]:
    kind = f"audit.{audit.state}"
    listening = connection.execute(
        select(webhooks.c.id, webhooks.c.events)
        .where(webhooks.c.tenant_id == audit.tenant_id, webhooks.c.disabled_at.is_(None))
        .order_by(webhooks.c.id)
    )
    own = {"tenant_id": audit.tenant_id, "audit_id": audit.id, "type": kind, "payload": payload(kind, audit)}
    return [{**own, "id": f"msg_{ULID()}", "webhook_id": row.id} for row in listening if kind in row.events]


def payload(kind: str, audit: Any) -> str:
    """What is told of an audit's end: its id, its state and where to ask for more; nothing that is secret."""
    where = f"/v1/audits/{audit.id}"
    links = {"self": where} | ({} if audit.report_digest is None else {"report": f"{where}/report"})
    told = {
        "type": kind,
        "timestamp": datetime.fromtimestamp(audit.at, UTC).isoformat(timespec="milliseconds"),
        "data": {"audit_id": audit.id, "state": audit.state, "outcome": audit.outcome, "links": links},
    }
    return json.dumps(told, separators=(",", ":"))
