"""GET /metrics, for Prometheus: not part of the API, and not for the outside (deploy/ lets only Prometheus in)."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from prometheus_client.exposition import choose_encoder

from service.meters import Meters

router = APIRouter()


@router.get("/metrics", include_in_schema=False)
def get_metrics(request: Request, accept: Annotated[str, Header()] = "") -> Response:
    """Requests served by this process, and the ledger as it stands; answers even while the ledger does not."""
    meters: Meters = request.app.state.meters
    encode, media_type = choose_encoder(accept)
    return Response(meters.written(encode), headers={"Content-Type": media_type, "Cache-Control": "no-store"})
