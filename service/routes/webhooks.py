"""POST and GET /v1/webhooks, one of them, its secret, its deliveries: where to tell of the ends of audits."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from palimpsest.contract.problems import Code
from palimpsest.contract.webhooks import Delivery, DeliveryList, IssuedWebhook, NewWebhook, Webhook, WebhookList
from service import hooks
from service.callers import MayAdminister
from service.gateway import TheGateway
from service.routes.documented import ALWAYS, linked, problems

router = APIRouter(tags=["webhooks"])
SECRET = {"Cache-Control": "no-store"}

ABOUT = linked(
    "webhook_id",
    status="get_webhook",
    rotate="rotate_webhook_secret",
    deliveries="list_deliveries",
    remove="remove_webhook",
)

WebhookId = Annotated[str, Path(description="from the answer to POST /v1/webhooks")]
DeliveryId = Annotated[str, Path(description="from GET /v1/webhooks/{webhook_id}/deliveries")]
Before = Annotated[str | None, Query(max_length=40, pattern=r"^msg_[0-9A-Z]{26}$", description="next_before of a page")]


@router.post(
    "/v1/webhooks",
    status_code=201,
    responses={
        **problems(*ALWAYS, Code.MALFORMED_REQUEST, Code.WEBHOOK_URL_REFUSED, Code.QUOTA_EXCEEDED),
        201: ABOUT,
    },
)
def create_webhook(
    asked: NewWebhook, gateway: TheGateway, caller: MayAdminister, request: Request, response: Response
) -> IssuedWebhook:
    """A new webhook. Its secret is in this answer and nowhere else."""
    response.headers.update(SECRET)
    return hooks.create(gateway.ledger, caller, asked, private=request.app.state.private_hosts)


@router.get("/v1/webhooks", responses=problems(*ALWAYS))
def list_webhooks(gateway: TheGateway, caller: MayAdminister) -> WebhookList:
    """Every webhook, newest first, without secrets."""
    return WebhookList(data=hooks.every(gateway.ledger, caller))


@router.post("/v1/webhooks/{webhook_id}/rotate", responses=problems(*ALWAYS, Code.WEBHOOK_NOT_FOUND))
def rotate_webhook_secret(
    webhook_id: WebhookId, gateway: TheGateway, caller: MayAdminister, response: Response
) -> IssuedWebhook:
    """Another secret, told this once. For a day what is sent is signed with the one before it, too."""
    response.headers.update(SECRET)
    return hooks.rotate(gateway.ledger, caller, webhook_id)


@router.get(
    "/v1/webhooks/{webhook_id}/deliveries", responses=problems(*ALWAYS, Code.WEBHOOK_NOT_FOUND, Code.MALFORMED_REQUEST)
)
def list_deliveries(
    webhook_id: WebhookId,
    gateway: TheGateway,
    caller: MayAdminister,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    before: Before = None,
) -> DeliveryList:
    """What it was told or is to be told, newest first; what was settled a month ago is forgotten."""
    return hooks.history(gateway.ledger, caller, webhook_id, limit=limit, before=before)


@router.post(
    "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
    status_code=202,
    responses=problems(*ALWAYS, Code.WEBHOOK_NOT_FOUND, Code.DELIVERY_NOT_FOUND),
)
def replay_delivery(
    webhook_id: WebhookId, delivery_id: DeliveryId, gateway: TheGateway, caller: MayAdminister
) -> Delivery:
    """Tell it again, under the same id, from the first try on."""
    return hooks.replay(gateway.ledger, caller, webhook_id, delivery_id)


@router.get("/v1/webhooks/{webhook_id}", responses=problems(*ALWAYS, Code.WEBHOOK_NOT_FOUND))
def get_webhook(webhook_id: WebhookId, gateway: TheGateway, caller: MayAdminister) -> Webhook:
    """One of them, and whether it takes what it is sent."""
    return hooks.find(gateway.ledger, caller, webhook_id)


@router.delete("/v1/webhooks/{webhook_id}", responses=problems(*ALWAYS, Code.WEBHOOK_NOT_FOUND))
def remove_webhook(webhook_id: WebhookId, gateway: TheGateway, caller: MayAdminister) -> Webhook:
    """It is sent nothing any more, and what it was sent is forgotten."""
    return hooks.remove(gateway.ledger, caller, webhook_id)
