"""The tables. Every one carries the tenant, and every unique key begins with it, but for two that come before it: a
message of the outbox, which is numbered across tenants, and the prefix of an API key, which says whose request it is.

An audit is a graph of stages; a stage is a row of units; a unit is 10 to 120 s of idempotent work.

    units:   waiting → queued → leased → done | failed | cancelled        (leased → queued when a lease expires)
    stages:  closed once it has no blockers and nothing remaining; closing takes one blocker off those behind it
    audits:  queued → running → succeeded | failed | cancelled | expired  (the last two through cancelling)
    blobs:   held by rows of evidence → condemned, once the last of these is removed → gone; the rows stay

Times are the database's clock, in seconds since 1970.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
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

from ledger.metadata import metadata as metadata  # noqa: PLC0414 - whoever needs the tables needs it from here
from ledger.outgoing import deliveries, endings, quotas, webhooks  # noqa: F401 - they are tables of it, too

_ID = String(40)
_TENANT = String(64)

audits = Table(
    "audits",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("id", _ID, nullable=False),
    Column("state", String(16), nullable=False),
    Column("ending", String(16), nullable=False, server_default="succeeded"),
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("event_seq", Integer, nullable=False, server_default="0"),
    Column("model_id", String(200), nullable=False),
    Column("family", String(64), nullable=True),
    Column("request", JSON, nullable=False),
    Column("request_digest", String(64), nullable=False),
    Column("labels", JSON, nullable=False),
    Column("engine", String(64), nullable=True),
    Column("outcome", String(32), nullable=True),
    Column("result_digest", String(64), nullable=True),
    Column("report_digest", String(64), nullable=True),
    Column("error", String(64), nullable=True),
    Column("detail", Text, nullable=True),
    Column("created_at", Float(53), nullable=False),
    Column("started_at", Float(53), nullable=True),
    Column("finished_at", Float(53), nullable=True),
    Column("deadline_at", Float(53), nullable=True),
    Column("served_at", Float(53), nullable=True),
    Column("targets", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index(None, "tenant_id", "request_digest"),
    Index(None, "tenant_id", "served_at"),
    Index(None, "state", "deadline_at"),
)

stages = Table(
    "stages",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("audit_id", _ID, nullable=False),
    Column("name", String(100), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("blockers", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("remaining", Integer, nullable=False),
    PrimaryKeyConstraint("tenant_id", "audit_id", "name"),
    ForeignKeyConstraint(["tenant_id", "audit_id"], ["audits.tenant_id", "audits.id"]),
)

stage_edges = Table(
    "stage_edges",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("audit_id", _ID, nullable=False),
    Column("before", String(100), nullable=False),
    Column("after", String(100), nullable=False),
    PrimaryKeyConstraint("tenant_id", "audit_id", "before", "after"),
    ForeignKeyConstraint(["tenant_id", "audit_id"], ["audits.tenant_id", "audits.id"]),
)

units = Table(
    "units",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("id", _ID, nullable=False),
    Column("audit_id", _ID, nullable=False),
    Column("stage", String(100), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("critical", Boolean, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("owner", String(200), nullable=True),
    Column("queued_at", Float(53), nullable=True),
    Column("rung_at", Float(53), nullable=True),
    Column("leased_at", Float(53), nullable=True),
    Column("lease_expires_at", Float(53), nullable=True),
    Column("hard_deadline_at", Float(53), nullable=True),
    Column("finished_at", Float(53), nullable=True),
    Column("progress", Float(53), nullable=False, server_default="0"),
    Column("result", JSON, nullable=True),
    Column("error", String(64), nullable=True),
    Column("detail", Text, nullable=True),
    PrimaryKeyConstraint("tenant_id", "id"),
    ForeignKeyConstraint(["tenant_id", "audit_id"], ["audits.tenant_id", "audits.id"]),
    Index(None, "tenant_id", "audit_id", "stage", "ordinal", unique=True),
    Index(None, "tenant_id", "audit_id", "state", "queued_at", "ordinal"),
    Index(None, "state", "lease_expires_at"),
    Index(None, "state", "queued_at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("tenant_id", _TENANT, nullable=False),
    Column("audit_id", _ID, nullable=False),
    Column("unit_id", _ID, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("family", String(64), nullable=True),
    Column("created_at", Float(53), nullable=False),
    Column("claimed_until", Float(53), nullable=True),
    Index(None, "tenant_id", "unit_id"),
)

events = Table(
    "events",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("audit_id", _ID, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("type", String(64), nullable=False),
    Column("data", JSON, nullable=False),
    Column("at", Float(53), nullable=False),
    PrimaryKeyConstraint("tenant_id", "audit_id", "seq"),
    ForeignKeyConstraint(["tenant_id", "audit_id"], ["audits.tenant_id", "audits.id"]),
    Index(None, "at"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("endpoint", String(100), nullable=False),
    Column("key", String(255), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("audit_id", _ID, nullable=False),
    Column("created_at", Float(53), nullable=False),
    PrimaryKeyConstraint("tenant_id", "endpoint", "key"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("audit_id", _ID, nullable=False),
    Column("unit_id", _ID, nullable=False),
    Column("name", String(200), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("size", BigInteger, nullable=True),
    Column("created_at", Float(53), nullable=False),
    Column("removed_at", Float(53), nullable=True),
    PrimaryKeyConstraint("tenant_id", "unit_id", "name"),
    Index(None, "tenant_id", "audit_id", "digest"),
    Index(None, "tenant_id", "digest"),
    Index(None, "removed_at", "kind", "created_at"),
)

condemned = Table(
    "condemned",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("condemned_at", Float(53), nullable=False),
    PrimaryKeyConstraint("tenant_id", "digest"),
)

unrendered = Table(
    "unrendered",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("audit_id", _ID, nullable=False),
    Column("since", Float(53), nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("tenant_id", "audit_id"),
    Index(None, "since"),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("keyid", String(64), nullable=False),
    Column("pem", Text, nullable=False),
    Column("since", Float(53), nullable=False),
    PrimaryKeyConstraint("tenant_id", "keyid"),
)

models = Table(
    "models",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("id", String(200), nullable=False),
    Column("card", JSON, nullable=False),
    Column("published_at", Float(53), nullable=False),
    PrimaryKeyConstraint("tenant_id", "id"),
)

methods = Table(
    "methods",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("engine", String(64), nullable=False),
    Column("cards", JSON, nullable=False),
    Column("published_at", Float(53), nullable=False),
    PrimaryKeyConstraint("tenant_id", "engine"),
)

workers = Table(
    "workers",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("owner", String(200), nullable=False),
    Column("engine", String(64), nullable=False),
    Column("families", JSON, nullable=False),
    Column("seen_at", Float(53), nullable=False),
    PrimaryKeyConstraint("tenant_id", "owner"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("id", _ID, nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("salt", String(32), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("name", String(200), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("expires_at", Float(53), nullable=True),
    Column("revoked_at", Float(53), nullable=True),
    Column("last_used_at", Float(53), nullable=True),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index(None, "prefix", unique=True),
)

accesses = Table(
    "accesses",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", Float(53), nullable=False),
    Column("actor", _ID, nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    PrimaryKeyConstraint("tenant_id", "seq"),
)

images = Table(
    "images",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("uploaded", String(64), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("used_at", Float(53), nullable=False),
    PrimaryKeyConstraint("tenant_id", "digest"),
    Index(None, "used_at"),
)

target_sets = Table(
    "target_sets",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("id", _ID, nullable=False),
    Column("title", String(200), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("count", Integer, nullable=False),
    Column("images", Integer, nullable=False),
    Column("created_at", Float(53), nullable=False),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index(None, "tenant_id", "digest", unique=True),
)

target_set_images = Table(
    "target_set_images",
    metadata,
    Column("tenant_id", _TENANT, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("target_set_id", _ID, nullable=False),
    PrimaryKeyConstraint("tenant_id", "digest", "target_set_id"),
    Index(None, "tenant_id", "target_set_id"),
)

OPEN_AUDITS = ("queued", "running", "cancelling")
TERMINAL_AUDITS = ("succeeded", "failed", "cancelled", "expired")
OPEN_UNITS = ("waiting", "queued", "leased")
TERMINAL_UNITS = ("done", "failed", "cancelled")
