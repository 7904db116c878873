"""POST and GET /v1/audits, GET /v1/audits/{id}, POST /v1/audits/{id}/cancel."""

import time
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Path, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask

from palimpsest.contract.problems import Code
from palimpsest.contract.status import AuditList, AuditStatus, State
from service import answers, audits, cursor, preferences
from service.callers import KEYLESS, READS, WRITES, MayRead, MayWrite
from service.desk import TheDesk, the_desk
from service.gateway import TheGateway
from service.routes.direct import Direct, Parameter, described
from service.routes.documented import (
    ACCEPTED,
    ADMISSION,
    ALWAYS,
    AUDIT_ID,
    BODY,
    CURRENT,
    FOUND,
    REUSED,
    problems,
)

router = APIRouter(tags=["audits"])

AuditId = Annotated[str, Path(description=AUDIT_ID)]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}:[^\x00]{0,256}$")]
Labels = Annotated[list[Label], Query(alias="label", max_length=32, description="`name:value`; all of them are borne")]

KEY_FORM = r'^(?:[A-Za-z0-9_-]{16,255}|"[A-Za-z0-9_-]{16,255}")$'
KEY = Parameter[str](
    "Idempotency-Key",
    "header",
    Annotated[str, Field(pattern=KEY_FORM)],
    "bare or quoted; equal keys are one submission",
)
VALIDATE_ONLY = Parameter("validate_only", "query", bool, "check everything, enqueue nothing", False)
ID = Parameter[str]("audit_id", "path", str, AUDIT_ID)
KNOWN = Parameter[str | None]("If-None-Match", "header", str, "an ETag", None)
PREFER = Parameter[str | None](
    "Prefer", "header", str, "`wait=N`: hold the answer back for up to N seconds (30 at most) until it is news", None
)


async def submit_audit(http: Request) -> Response:
    """Accept an audit, or answer with the one that is already there."""
    desk, caller = await the_desk(http), await WRITES(http)
    key, validate_only = KEY.read(http).strip('"'), VALIDATE_ONLY.read(http)
    request = await desk.reader.request(http)
    if validate_only:
        return told(await desk.intake.check(caller.tenant, request))
    taken = await desk.intake.submit(caller.tenant, request, key, counted=caller.actor != KEYLESS)
    headers = {**answers.headers(taken.row, now=time.time()), "Location": answers.address(taken.row)}
    if taken.accepted.replayed:
        headers["Idempotent-Replayed"] = "true"
    answer = told(answers.status(taken.row), 200 if taken.accepted.reused else 202, headers)
    answer.background = BackgroundTask(desk.announced)
    return answer


@router.get("/v1/audits", responses=problems(*ALWAYS, Code.MALFORMED_REQUEST))
def list_audits(
    gateway: TheGateway,
    caller: MayRead,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor_: Annotated[str | None, Query(alias="cursor", max_length=1000, description="next_cursor of a page")] = None,
    state: State | None = None,
    model: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
    label: Labels = [],  # noqa: B006 - FastAPI copies it
) -> AuditList:
    """One page of audits, newest first."""
    selection = cursor.Selection(state, model, tuple(sorted(label)))
    before = cursor.read(cursor_, selection)
    page = audits.page(gateway, caller.tenant, limit=limit, selection=selection, before=before)
    return AuditList(data=[answers.status(row) for row in page.rows], next_cursor=cursor.written(selection, page.last))


async def get_audit(http: Request) -> Response:
    """Where an audit stands."""
    desk, caller = await the_desk(http), await READS(http)
    audit_id, known = ID.read(http), KNOWN.read(http)
    found = await desk.standings.told(caller.tenant, audit_id, known)
    seconds = preferences.wait(PREFER.read(http))
    applied = {}
    if seconds and await desk.news(found.row, seconds, known):
        applied = {"Preference-Applied": f"wait={seconds}"}
        caller = await READS(http)
        found = await desk.standings.told(caller.tenant, audit_id, known)
    headers = {**answers.headers(found.row, now=time.time()), **applied}
    if answers.is_current(known, found.row):
        return Response(status_code=304, headers=headers)
    return Response(found.body, 200, headers, "application/json")


def add_direct(root: APIRouter) -> None:
    """Submissions and polls, which are most requests, as direct routes of the application's own router."""
    root.add_api_route(
        "/v1/audits",
        submit_audit,
        methods=["POST"],
        tags=["audits"],
        status_code=202,
        response_model=AuditStatus,
        responses={**problems(*ALWAYS, *ADMISSION), 200: REUSED, 202: ACCEPTED},
        openapi_extra={**BODY, **described(KEY, VALIDATE_ONLY), **WRITES.described()},
        route_class_override=Direct,
    )
    root.add_api_route(
        "/v1/audits/{audit_id}",
        get_audit,
        tags=["audits"],
        response_model=AuditStatus,
        responses={**problems(*ALWAYS, Code.AUDIT_NOT_FOUND), 200: FOUND, 304: CURRENT},
        openapi_extra={**described(ID, KNOWN, PREFER), **READS.described()},
        route_class_override=Direct,
    )


@router.post(
    "/v1/audits/{audit_id}/cancel",
    status_code=202,
    responses=problems(*ALWAYS, Code.AUDIT_NOT_FOUND, Code.AUDIT_ALREADY_TERMINAL),
)
def cancel_audit(
    audit_id: AuditId,
    gateway: TheGateway,
    desk: TheDesk,
    caller: MayWrite,
    response: Response,
    afterwards: BackgroundTasks,
) -> AuditStatus:
    """Ask an audit to stop; a partial report follows."""
    row = audits.cancel(gateway, caller.tenant, audit_id)
    afterwards.add_task(desk.announced)
    response.headers.update(answers.headers(row, now=time.time()))
    return answers.status(row)


def told(message: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A message of the contract as it goes out."""
    return Response(message.model_dump_json(), status, headers, "application/json")
