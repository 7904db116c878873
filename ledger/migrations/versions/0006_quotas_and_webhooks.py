"""Quotas of tenants and how many targets an audit has; webhooks, and what is told to them when an audit ends.

An audit that was there before counts as one without targets, and of its end nothing is told if it has ended.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.String(40)
TENANT = sa.String(64)
TIME = sa.Float(53)


def upgrade() -> None:
    op.add_column("audits", sa.Column("targets", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "quotas",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("audits", sa.Integer, nullable=False),
        sa.Column("targets", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_quotas"),
    )
    op.create_table(
        "endings",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("audit_id", ID, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "audit_id", name="pk_endings"),
    )
    op.create_index("ix_endings_at", "endings", ["at"])
    op.create_table(
        "webhooks",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", sa.JSON, nullable=False),
        sa.Column("secret", sa.String(100), nullable=False),
        sa.Column("former_secret", sa.String(100), nullable=True),
        sa.Column("former_until", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("failing_since", TIME, nullable=True),
        sa.Column("disabled_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_webhooks"),
    )
    op.create_table(
        "deliveries",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("webhook_id", ID, nullable=False),
        sa.Column("audit_id", ID, nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("tried_at", TIME, nullable=True),
        sa.Column("status", sa.Integer, nullable=True),
        sa.Column("error", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_deliveries"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "webhook_id"], ["webhooks.tenant_id", "webhooks.id"], name="fk_deliveries_tenant_id_webhook_id"
        ),
    )
    op.create_index("ix_deliveries_tenant_id_webhook_id_id", "deliveries", ["tenant_id", "webhook_id", "id"])
    op.create_index("ix_deliveries_state_due_at", "deliveries", ["state", "due_at"])


def downgrade() -> None:
    op.drop_index("ix_deliveries_state_due_at", "deliveries")
    op.drop_index("ix_deliveries_tenant_id_webhook_id_id", "deliveries")
    op.drop_table("deliveries")
    op.drop_table("webhooks")
    op.drop_index("ix_endings_at", "endings")
    op.drop_table("endings")
    op.drop_table("quotas")
    op.drop_column("audits", "targets")
