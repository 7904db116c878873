"""GET /v1/admin/accesses: who administered what and read which evidence of the caller's own tenant."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query

from ledger import accesses
from palimpsest.contract.accesses import AccessList
from palimpsest.contract.problems import Code
from service.callers import MayAdminister
from service.gateway import TheGateway
from service.routes.documented import ALWAYS, problems

router = APIRouter(tags=["keys"])

MOST = 2**53
After = Annotated[int, Query(ge=0, le=MOST, description="the number behind which to begin")]


@router.get("/v1/admin/accesses", responses=problems(*ALWAYS, Code.MALFORMED_REQUEST))
def list_accesses(
    gateway: TheGateway,
    caller: MayAdminister,
    after: After = 0,
    limit: Annotated[int, Query(ge=1, le=accesses.AT_A_TIME)] = 100,
) -> AccessList:
    """The log of accesses, a page of it. Reading it leaves no row in it."""
    with gateway.ledger.reading() as connection:
        rows = accesses.after(connection, caller.tenant, after, limit=limit)
    return AccessList.model_validate({"data": [asdict(row) for row in rows]})
