"""POST and GET /v1/audits, GET /v1/audits/{id}, POST /v1/audits/{id}/cancel."""

import time
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Header, Path, Query, Response

from palimpsest.contract.problems import Code
from palimpsest.contract.request import AuditRequest
from palimpsest.contract.status import AuditList, AuditStatus, State
from service import answers, audits, cursor
from service.gateway import TheGateway, TheTenant
from service.routes.documented import ACCEPTED, ADMISSION, ALWAYS, CURRENT, FOUND, REUSED, problems

router = APIRouter(tags=["audits"])

KEY = r'^(?:[A-Za-z0-9_-]{16,255}|"[A-Za-z0-9_-]{16,255}")$'
IdempotencyKey = Annotated[
    str, Header(alias="Idempotency-Key", pattern=KEY, description="bare or quoted; equal keys are one submission")
]
AuditId = Annotated[str, Path(description="from the answer to POST /v1/audits")]


@router.post("/v1/audits", status_code=202, responses={**problems(*ALWAYS, *ADMISSION), 200: REUSED, 202: ACCEPTED})
def submit_audit(
    request: AuditRequest,
    key: IdempotencyKey,
    gateway: TheGateway,
    tenant: TheTenant,
    response: Response,
    afterwards: BackgroundTasks,
) -> AuditStatus:
    """Accept an audit, or answer with the one that is already there."""
    submitted = audits.submit(gateway, tenant, request, key.strip('"'))
    afterwards.add_task(gateway.doorbell.ring)
    response.status_code = 200 if submitted.reused else 202
    response.headers.update(answers.headers(submitted.row, now=time.time()))
    response.headers["Location"] = answers.address(submitted.row)
    if submitted.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return answers.status(submitted.row)


@router.get("/v1/audits", responses=problems(*ALWAYS, Code.MALFORMED_REQUEST))
def list_audits(
    gateway: TheGateway,
    tenant: TheTenant,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor_: Annotated[str | None, Query(alias="cursor", max_length=1000, description="next_cursor of a page")] = None,
    state: State | None = None,
    model: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
) -> AuditList:
    """One page of audits, newest first."""
    selection = cursor.Selection(state, model)
    before = cursor.read(cursor_, selection)
    page = audits.page(gateway, tenant, limit=limit, selection=selection, before=before)
    return AuditList(data=[answers.status(row) for row in page.rows], next_cursor=cursor.written(selection, page.last))


@router.get(
    "/v1/audits/{audit_id}",
    response_model=AuditStatus,
    responses={**problems(*ALWAYS, Code.AUDIT_NOT_FOUND), 200: FOUND, 304: CURRENT},
)
def get_audit(
    audit_id: AuditId,
    gateway: TheGateway,
    tenant: TheTenant,
    response: Response,
    if_none_match: Annotated[str | None, Header()] = None,
) -> AuditStatus | Response:
    """Where an audit stands."""
    row = audits.look_up(gateway, tenant, audit_id)
    headers = answers.headers(row, now=time.time())
    if answers.is_current(if_none_match, row):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return answers.status(row)


@router.post(
    "/v1/audits/{audit_id}/cancel",
    status_code=202,
    responses=problems(*ALWAYS, Code.AUDIT_NOT_FOUND, Code.AUDIT_ALREADY_TERMINAL),
)
def cancel_audit(
    audit_id: AuditId, gateway: TheGateway, tenant: TheTenant, response: Response, afterwards: BackgroundTasks
) -> AuditStatus:
    """Ask an audit to stop; a partial report follows."""
    row = audits.cancel(gateway, tenant, audit_id)
    afterwards.add_task(gateway.doorbell.ring)
    response.headers.update(answers.headers(row, now=time.time()))
    return answers.status(row)
