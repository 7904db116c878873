"""Images and target sets that were uploaded, and which set names which image."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TENANT = sa.String(64)
TIME = sa.Float(53)


def upgrade() -> None:
    op.create_table(
        "images",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("uploaded", sa.String(64), nullable=False),
        sa.Column("media_type", sa.String(100), nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "digest", name="pk_images"),
    )
    op.create_index("ix_images_used_at", "images", ["used_at"])
    op.create_table(
        "target_sets",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("images", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_target_sets"),
    )
    op.create_index("ix_target_sets_tenant_id_digest", "target_sets", ["tenant_id", "digest"], unique=True)
    op.create_table(
        "target_set_images",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("target_set_id", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "digest", "target_set_id", name="pk_target_set_images"),
    )
    op.create_index(
        "ix_target_set_images_tenant_id_target_set_id", "target_set_images", ["tenant_id", "target_set_id"]
    )


def downgrade() -> None:
    op.drop_table("target_set_images")
    op.drop_table("target_sets")
    op.drop_table("images")
