"""The first ledger: audits, the graph of their units, outbox, events, idempotency keys, evidence, catalogue."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(40)
TENANT = sa.String(64)
TIME = sa.Float(53)


def upgrade() -> None:
    op.create_table(
        "audits",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("ending", sa.String(16), nullable=False, server_default="succeeded"),
        sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
        sa.Column("event_seq", sa.Integer, nullable=False, server_default="0"),
        sa.Column("model_id", sa.String(200), nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("engine", sa.String(64), nullable=True),
        sa.Column("outcome", sa.String(32), nullable=True),
        sa.Column("result_digest", sa.String(64), nullable=True),
        sa.Column("report_digest", sa.String(64), nullable=True),
        sa.Column("error", sa.String(64), nullable=True),
        sa.Column("detail", sa.Text, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("deadline_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_audits"),
    )
    op.create_index("ix_audits_tenant_id_request_digest", "audits", ["tenant_id", "request_digest"])
    op.create_index("ix_audits_state_deadline_at", "audits", ["state", "deadline_at"])

    op.create_table(
        "stages",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("audit_id", ID, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("blockers", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("remaining", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "audit_id", "name", name="pk_stages"),
        of_audit("stages"),
    )
    op.create_table(
        "stage_edges",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("audit_id", ID, nullable=False),
        sa.Column("before", sa.String(100), nullable=False),
        sa.Column("after", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "audit_id", "before", "after", name="pk_stage_edges"),
        of_audit("stage_edges"),
    )

    op.create_table(
        "units",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("audit_id", ID, nullable=False),
        sa.Column("stage", sa.String(100), nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("critical", sa.Boolean, nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
        sa.Column("fence", sa.Integer, nullable=False, server_default="0"),
        sa.Column("owner", sa.String(200), nullable=True),
        sa.Column("queued_at", TIME, nullable=True),
        sa.Column("leased_at", TIME, nullable=True),
        sa.Column("lease_expires_at", TIME, nullable=True),
        sa.Column("hard_deadline_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("progress", sa.Float(53), nullable=False, server_default="0"),
        sa.Column("result", sa.JSON, nullable=True),
        sa.Column("error", sa.String(64), nullable=True),
        sa.Column("detail", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_units"),
        of_audit("units"),
    )
    op.create_index(
        "ix_units_tenant_id_audit_id_stage_ordinal",
        "units",
        ["tenant_id", "audit_id", "stage", "ordinal"],
        unique=True,
    )
    op.create_index("ix_units_state_lease_expires_at", "units", ["state", "lease_expires_at"])
    op.create_index("ix_units_state_queued_at", "units", ["state", "queued_at"])

    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False),
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("audit_id", ID, nullable=False),
        sa.Column("unit_id", ID, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("claimed_until", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_tenant_id_unit_id", "outbox", ["tenant_id", "unit_id"])

    op.create_table(
        "events",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("audit_id", ID, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "audit_id", "seq", name="pk_events"),
        of_audit("events"),
    )

    op.create_table(
        "idempotency",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("endpoint", sa.String(100), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("audit_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "endpoint", "key", name="pk_idempotency"),
    )

    op.create_table(
        "evidence",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("audit_id", ID, nullable=False),
        sa.Column("unit_id", ID, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("media_type", sa.String(100), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "unit_id", "name", name="pk_evidence"),
    )
    op.create_index("ix_evidence_tenant_id_audit_id_digest", "evidence", ["tenant_id", "audit_id", "digest"])

    op.create_table(
        "models",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("card", sa.JSON, nullable=False),
        sa.Column("published_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_models"),
    )
    op.create_table(
        "methods",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("engine", sa.String(64), nullable=False),
        sa.Column("cards", sa.JSON, nullable=False),
        sa.Column("published_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "engine", name="pk_methods"),
    )


def of_audit(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "audit_id"], ["audits.tenant_id", "audits.id"], name=f"fk_{table}_tenant_id_audit_id"
    )


def downgrade() -> None:
    for table in (
        "methods",
        "models",
        "evidence",
        "idempotency",
        "events",
        "outbox",
        "units",
        "stage_edges",
        "stages",
        "audits",
    ):
        op.drop_table(table)
