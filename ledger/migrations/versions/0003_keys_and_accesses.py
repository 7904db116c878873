"""API keys, of whose secrets only a salted hash is kept, and the log of accesses, each row bound to the one before."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TENANT = sa.String(64)
TIME = sa.Float(53)


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("salt", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_prefix", "api_keys", ["prefix"], unique=True)
    op.create_table(
        "accesses",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", sa.String(40), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "seq", name="pk_accesses"),
    )


def downgrade() -> None:
    op.drop_table("accesses")
    op.drop_index("ix_api_keys_prefix", "api_keys")
    op.drop_table("api_keys")
