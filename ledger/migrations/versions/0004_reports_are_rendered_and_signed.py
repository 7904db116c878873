"""Reports that are still to be rendered, and the public keys that have signed.

A report that was there before is left as it is: it has no renderings.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TENANT = sa.String(64)
TIME = sa.Float(53)


def upgrade() -> None:
    op.create_table(
        "unrendered",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("audit_id", sa.String(40), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("tenant_id", "audit_id", name="pk_unrendered"),
    )
    op.create_index("ix_unrendered_since", "unrendered", ["since"])
    op.create_table(
        "signing_keys",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("keyid", sa.String(64), nullable=False),
        sa.Column("pem", sa.Text, nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "keyid", name="pk_signing_keys"),
    )


def downgrade() -> None:
    op.drop_table("signing_keys")
    op.drop_table("unrendered")
