"""Tables of what a tenant may have open at once, and of what is told to its webhooks.

endings:     written with an audit's end, deleted with the deliveries that come of it
deliveries:  waiting → delivered | given_up        (back to waiting when somebody asks for it again)
"""

from sqlalchemy import (
    JSON,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from ledger.metadata import metadata

_ID = String(40)
_TENANT = String(64)

quotas = Table(
    "quotas",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("audits", Integer, nullable=False),
    Column("targets", Integer, nullable=False),
    PrimaryKeyConstraint("tenant_id"),
)

endings = Table(
    "endings",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("audit_id", _ID, nullable=False),
    Column("at", Float(53), nullable=False),
    PrimaryKeyConstraint("tenant_id", "audit_id"),
    Index(None, "at"),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("id", _ID, nullable=False),
    Column("url", Text, nullable=False),
    Column("events", JSON, nullable=False),
    Column("secret", String(100), nullable=False),
    Column("former_secret", String(100), nullable=True),
    Column("former_until", Float(53), nullable=True),
    Column("created_at", Float(53), nullable=False),
    Column("failing_since", Float(53), nullable=True),
    Column("disabled_at", Float(53), nullable=True),
    PrimaryKeyConstraint("tenant_id", "id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("id", _ID, nullable=False),
    Column("webhook_id", _ID, nullable=False),
    Column("audit_id", _ID, nullable=False),
    Column("type", String(64), nullable=False),
    Column("payload", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("due_at", Float(53), nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("tried_at", Float(53), nullable=True),
    Column("status", Integer, nullable=True),
    Column("error", String(64), nullable=True),
    PrimaryKeyConstraint("tenant_id", "id"),
    ForeignKeyConstraint(["tenant_id", "webhook_id"], ["webhooks.tenant_id", "webhooks.id"]),
    Index(None, "tenant_id", "webhook_id", "id"),
    Index(None, "state", "due_at"),
)
