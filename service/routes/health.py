"""/healthz: this process. /readyz: whether an audit would be accepted."""

from fastapi import APIRouter

from palimpsest import __version__
from palimpsest.contract.problems import Code
from service import offer
from service.gateway import TheGateway, TheTenant
from service.routes.documented import ALWAYS, problems

router = APIRouter(tags=["health"])


@router.get("/healthz", responses=problems(Code.BODY_TOO_LARGE, Code.INTERNAL_ERROR))
async def health() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok", "version": __version__}


@router.get("/readyz", responses=problems(*ALWAYS, Code.CATALOGUE_NOT_READY))
def readiness(gateway: TheGateway, tenant: TheTenant) -> dict[str, str]:
    """The ledger answers and a worker has published what it can do."""
    offer.read(gateway.ledger, tenant)
    return {"status": "ready"}
