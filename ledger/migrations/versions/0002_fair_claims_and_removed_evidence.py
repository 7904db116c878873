"""Fair claims (whose turn it is, for which family), evidence that ends, and which workers are there."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TENANT = sa.String(64)
TIME = sa.Float(53)


def upgrade() -> None:
    op.add_column("audits", sa.Column("family", sa.String(64), nullable=True))
    op.add_column("audits", sa.Column("served_at", TIME, nullable=True))
    op.create_index("ix_audits_tenant_id_served_at", "audits", ["tenant_id", "served_at"])

    op.add_column("units", sa.Column("rung_at", TIME, nullable=True))
    op.create_index(
        "ix_units_tenant_id_audit_id_state_queued_at_ordinal",
        "units",
        ["tenant_id", "audit_id", "state", "queued_at", "ordinal"],
    )

    op.add_column("outbox", sa.Column("family", sa.String(64), nullable=True))
    op.create_index("ix_events_at", "events", ["at"])

    with op.batch_alter_table("evidence") as evidence:
        evidence.alter_column("size", existing_type=sa.BigInteger(), nullable=True)
        evidence.add_column(sa.Column("removed_at", TIME, nullable=True))
    op.create_index("ix_evidence_tenant_id_digest", "evidence", ["tenant_id", "digest"])
    op.create_index("ix_evidence_removed_at_kind_created_at", "evidence", ["removed_at", "kind", "created_at"])

    op.create_table(
        "condemned",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("condemned_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "digest", name="pk_condemned"),
    )
    op.create_table(
        "workers",
        sa.Column("tenant_id", TENANT, nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("engine", sa.String(64), nullable=False),
        sa.Column("families", sa.JSON, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "owner", name="pk_workers"),
    )

    connection = op.get_bind()
    fill_in_families(connection)
    fill_in_turns(connection)
    name_the_images_of_requests(connection)


audits = sa.table(
    "audits",
    *(sa.column(name) for name in ("tenant_id", "id", "model_id", "family", "served_at", "created_at")),
    sa.column("request", sa.JSON),
)
units = sa.table("units", *(sa.column(name) for name in ("tenant_id", "audit_id", "leased_at")))
outbox = sa.table("outbox", *(sa.column(name) for name in ("tenant_id", "audit_id", "family")))
models = sa.table("models", sa.column("tenant_id"), sa.column("id"), sa.column("card", sa.JSON))
evidence = sa.table(
    "evidence",
    *(
        sa.column(name)
        for name in ("tenant_id", "audit_id", "unit_id", "name", "kind", "digest", "media_type", "created_at")
    ),
)


def fill_in_families(connection: sa.Connection) -> None:
    """Of each audit from its model's card, of each message from its audit."""
    of_model = sa.select(models.c.card["family"].as_string()).where(
        models.c.tenant_id == audits.c.tenant_id, models.c.id == audits.c.model_id
    )
    connection.execute(sa.update(audits).values(family=of_model.scalar_subquery()))
    of_audit = sa.select(audits.c.family).where(
        audits.c.tenant_id == outbox.c.tenant_id, audits.c.id == outbox.c.audit_id
    )
    connection.execute(sa.update(outbox).values(family=of_audit.scalar_subquery()))


def fill_in_turns(connection: sa.Connection) -> None:
    """An audit was last served when one of its units was last leased."""
    last = sa.select(sa.func.max(units.c.leased_at)).where(
        units.c.tenant_id == audits.c.tenant_id, units.c.audit_id == audits.c.id
    )
    connection.execute(sa.update(audits).values(served_at=last.scalar_subquery()))


def name_the_images_of_requests(connection: sa.Connection) -> None:
    """What came with a request is evidence of its audit, so that collecting does not take it for nobody's."""
    rows = connection.execute(sa.select(audits.c.tenant_id, audits.c.id, audits.c.request, audits.c.created_at)).all()
    for tenant, audit_id, request, created_at in rows:
        found = images(request)
        if found:
            named = [
                {"name": f"image-{n}", "digest": digest, "media_type": media_type}
                for n, (digest, media_type) in enumerate(found.items())
            ]
            own = {"tenant_id": tenant, "audit_id": audit_id, "unit_id": audit_id, "kind": "target_image"}
            connection.execute(sa.insert(evidence), [{**own, **row, "created_at": created_at} for row in named])


def images(request: dict[str, Any]) -> dict[str, str]:
    """Media type by digest of every image that targets and controls name."""
    rows = [row for part in ("targets", "controls") for row in request.get(part) or []]
    return {image["sha256"]: image["media_type"] for row in rows for image in row.get("images") or []}


def downgrade() -> None:
    op.drop_table("workers")
    op.drop_table("condemned")
    op.drop_index("ix_evidence_removed_at_kind_created_at", "evidence")
    op.drop_index("ix_evidence_tenant_id_digest", "evidence")
    op.execute("DELETE FROM evidence WHERE size IS NULL")
    with op.batch_alter_table("evidence") as evidence:
        evidence.drop_column("removed_at")
        evidence.alter_column("size", existing_type=sa.BigInteger(), nullable=False)
    op.drop_index("ix_events_at", "events")
    op.drop_column("outbox", "family")
    op.drop_index("ix_units_tenant_id_audit_id_state_queued_at_ordinal", "units")
    op.drop_column("units", "rung_at")
    op.drop_index("ix_audits_tenant_id_served_at", "audits")
    op.drop_column("audits", "served_at")
    op.drop_column("audits", "family")
