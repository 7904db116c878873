"""POST and GET /v1/admin/keys, DELETE /v1/admin/keys/{key_id}: the API keys of the caller's own tenant."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from starlette.concurrency import run_in_threadpool

from palimpsest.contract.keys import IssuedKey, Key, KeyList, NewKey
from palimpsest.contract.problems import Code
from service import keys
from service.callers import MayAdminister
from service.desk import TheDesk
from service.gateway import TheGateway
from service.routes.documented import ALWAYS, linked, problems

router = APIRouter(tags=["keys"])
SECRET = {"Cache-Control": "no-store"}


@router.post(
    "/v1/admin/keys",
    status_code=201,
    responses={**problems(*ALWAYS, Code.MALFORMED_REQUEST), 201: linked("key_id", revoke="revoke_key")},
)
async def issue_key(
    asked: NewKey, gateway: TheGateway, desk: TheDesk, caller: MayAdminister, response: Response
) -> IssuedKey:
    """A new key. Its secret is in this answer and nowhere else."""
    response.headers.update(SECRET)
    issued = await run_in_threadpool(keys.issue, gateway.ledger, caller, asked)
    desk.keyring.forget()
    return issued


@router.get("/v1/admin/keys", responses=problems(*ALWAYS))
def list_keys(gateway: TheGateway, caller: MayAdminister) -> KeyList:
    """Every key there has been, newest first, without secrets."""
    return KeyList(data=keys.every(gateway.ledger, caller))


@router.delete("/v1/admin/keys/{key_id}", responses=problems(*ALWAYS, Code.API_KEY_NOT_FOUND))
async def revoke_key(
    key_id: Annotated[str, Path(description="from the answer to POST /v1/admin/keys")],
    gateway: TheGateway,
    desk: TheDesk,
    caller: MayAdminister,
) -> Key:
    """The key is good no more: here at once, on other gateways after five seconds at most. Twice is once."""
    revoked = await run_in_threadpool(keys.revoke, gateway.ledger, caller, key_id)
    desk.keyring.forget()
    return revoked
