"""/healthz: this process. /readyz: whether an audit would be accepted, and whether that takes a key."""

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from ledger.catalogue import HOME
from palimpsest import __version__
from palimpsest.contract.problems import Code
from service import offer
from service.desk import TheDesk
from service.gateway import TheGateway
from service.routes.documented import UNASKED, problems

router = APIRouter(tags=["health"])

NOT_REQUIRED = "not required on this machine, until the first is made"


@router.get("/healthz", responses=problems(Code.BODY_TOO_LARGE, Code.INTERNAL_ERROR))
async def health() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok", "version": __version__}


@router.get("/readyz", responses=problems(*UNASKED, Code.CATALOGUE_NOT_READY))
async def readiness(gateway: TheGateway, desk: TheDesk) -> dict[str, str]:
    """The ledger answers and a worker has published what it can do. ``keys``: whether a request needs one."""
    await run_in_threadpool(offer.read, gateway.ledger, HOME)
    return {"status": "ready", "keys": "required" if await desk.keyring.any() else NOT_REQUIRED}
