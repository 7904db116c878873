"""What is owed to webhooks: tried until it is taken, or until there is no hope.

    waiting, due → taken for a while → delivered | waiting, due later | given_up

A try counts before it is made, so that one that ends whoever makes it is not made for ever; and who has taken a
delivery has it alone until its time is over. Times are the database's clock.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, select, update

from ledger.database import now
from ledger.errors import DeliveryNotFound
from ledger.outgoing import deliveries
from ledger.webhooks import disable, failed, get, succeeded

TAKEN_SECONDS = 120.0
"""For how long a delivery is with whoever has taken it."""


@dataclass(frozen=True)
class DeliveryRow:
    """A delivery as it stands: ``id`` is its message's, the same at every try; ``status`` is the last answer's."""

    tenant: str
    id: str
    webhook_id: str
    audit_id: str
    type: str
    payload: str
    state: str
    tries: int
    due_at: float
    created_at: float
    tried_at: float | None
    status: int | None
    error: str | None


@dataclass(frozen=True)
class Try:
    """What came of one: the HTTP status, or the error's name where there was no answer."""

    status: int | None = None
    error: str | None = None


_COLUMNS = [
    deliveries.c.tenant_id,
    *(deliveries.c[name] for name in DeliveryRow.__dataclass_fields__ if name != "tenant"),
]


def due(connection: Connection, limit: int, *, each: int) -> list[DeliveryRow]:
    """Up to ``limit`` deliveries that wait to be tried, longest first, and up to ``each`` of one webhook."""
    is_due = and_(deliveries.c.state == "waiting", deliveries.c.due_at <= now())
    of_one = (deliveries.c.tenant_id, deliveries.c.webhook_id)
    turn = func.row_number().over(partition_by=of_one, order_by=(deliveries.c.due_at, deliveries.c.id))
    ranked = select(*_COLUMNS, turn.label("turn")).where(is_due).subquery()
    chosen = select(*(ranked.c[column.name] for column in _COLUMNS)).where(ranked.c.turn <= each)
    return [DeliveryRow(*row) for row in connection.execute(chosen.order_by(ranked.c.due_at).limit(limit))]


def begin(connection: Connection, which: DeliveryRow) -> int | None:
    """Take it for a while: how often it has been tried with this, None if it is settled or somebody else's."""
    free = and_(_its(which), deliveries.c.state == "waiting", deliveries.c.due_at <= now())
    taken = update(deliveries).where(free).values(tries=deliveries.c.tries + 1, due_at=now() + TAKEN_SECONDS)
    return connection.execute(taken.returning(deliveries.c.tries)).scalar_one_or_none()


def delivered(connection: Connection, which: DeliveryRow, came: Try) -> None:
    """It was taken."""
    _settle(connection, which, came, state="delivered")
    succeeded(connection, which.tenant, which.webhook_id)


def again(connection: Connection, which: DeliveryRow, came: Try, *, seconds: float) -> None:
    """It was not, and is tried again after so long."""
    _settle(connection, which, came, due_at=now() + seconds)
    failed(connection, which.tenant, which.webhook_id)


def given_up(connection: Connection, which: DeliveryRow, came: Try, *, failing: float) -> bool:
    """It was not and will not be; whether the webhook, having failed for ``failing`` seconds, is disabled with it."""
    _settle(connection, which, came, state="given_up")
    failed(connection, which.tenant, which.webhook_id)
    return disable(connection, which.tenant, which.webhook_id, failing=failing)


def page(
    connection: Connection, tenant: str, webhook_id: str, *, limit: int, before: str | None = None
) -> list[DeliveryRow]:
    """Up to ``limit`` deliveries of a webhook, newest first, older than the id ``before``. Raises WebhookNotFound."""
    get(connection, tenant, webhook_id)
    chosen = _of(tenant, webhook_id).order_by(deliveries.c.id.desc()).limit(limit)
    if before is not None:
        chosen = chosen.where(deliveries.c.id < before)
    return [DeliveryRow(*row) for row in connection.execute(chosen)]


def replay(connection: Connection, tenant: str, webhook_id: str, delivery_id: str) -> DeliveryRow:
    """Owe it anew, from the first try on. Raises WebhookNotFound or DeliveryNotFound."""
    get(connection, tenant, webhook_id)
    its = _of(tenant, webhook_id).where(deliveries.c.id == delivery_id)
    row = connection.execute(its).one_or_none()
    if row is None:
        raise DeliveryNotFound(delivery_id)
    anew = {"state": "waiting", "tries": 0, "due_at": now()}
    connection.execute(update(deliveries).where(_its(DeliveryRow(*row))).values(**anew))
    return DeliveryRow(*connection.execute(its).one())


def forget(connection: Connection, *, older_seconds: float) -> int:
    """Drop deliveries that were settled and are older than this; how many."""
    old = and_(deliveries.c.state != "waiting", deliveries.c.created_at < now() - older_seconds)
    return connection.execute(delete(deliveries).where(old)).rowcount


def _settle(connection: Connection, which: DeliveryRow, came: Try, **values: Any) -> None:
    told = {"tried_at": now(), "status": came.status, "error": came.error}
    connection.execute(update(deliveries).where(_its(which)).values(**told, **values))


def _of(tenant: str, webhook_id: str) -> Select[Any]:
    return select(*_COLUMNS).where(deliveries.c.tenant_id == tenant, deliveries.c.webhook_id == webhook_id)


def _its(which: DeliveryRow) -> ColumnElement[bool]:
    return and_(deliveries.c.tenant_id == which.tenant, deliveries.c.id == which.id)
