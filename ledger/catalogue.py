"""What workers offer: models they have inspected, methods they can run. The gateway validates against it.

A worker offers the same to every tenant, and says so once, under ``HOME``, whoever's units it performs.
"""

from typing import Any

from sqlalchemy import Connection, Select, String, bindparam, func, select

from ledger.database import now, upsert
from ledger.schema import methods, models

HOME = "local"
"""The tenant whose the deployment itself is: of its workers and what they offer, and of whoever asks without a key."""


def publish(
    connection: Connection, tenant: str, *, engine: str, cards: list[dict[str, Any]], method_cards: list[dict[str, Any]]
) -> None:
    """Replace what is known of these models and of this engine's methods."""
    # By id, so that two workers that start together lock rows in the same order.
    for card in sorted(cards, key=lambda card: str(card["id"])):
        fresh = {"card": card, "published_at": now()}
        connection.execute(
            upsert(connection, models)
            .values(tenant_id=tenant, id=card["id"], **fresh)
            .on_conflict_do_update(index_elements=["tenant_id", "id"], set_=fresh)
        )
    fresh = {"cards": method_cards, "published_at": now()}
    connection.execute(
        upsert(connection, methods)
        .values(tenant_id=tenant, engine=engine, **fresh)
        .on_conflict_do_update(index_elements=["tenant_id", "engine"], set_=fresh)
    )


def select_edition() -> Select[Any]:
    """What is another row after every publication: for a tenant, its name in the parameter ``tenant``."""
    tenant = bindparam("tenant", type_=String)
    latest = select(func.max(methods.c.published_at)).where(methods.c.tenant_id == tenant).scalar_subquery()
    return select(func.count(), func.max(models.c.published_at), latest).where(models.c.tenant_id == tenant)


def model_cards(connection: Connection, tenant: str) -> list[dict[str, Any]]:
    """Every published model, by id."""
    rows = connection.execute(select(models.c.card).where(models.c.tenant_id == tenant).order_by(models.c.id))
    return [dict(card) for card in rows.scalars()]


def method_cards(connection: Connection, tenant: str) -> tuple[str, list[dict[str, Any]]] | None:
    """The engine that published last and its methods; None before any worker has."""
    row = connection.execute(
        select(methods.c.engine, methods.c.cards)
        .where(methods.c.tenant_id == tenant)
        .order_by(methods.c.published_at.desc(), methods.c.engine)
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.engine, list(row.cards))
