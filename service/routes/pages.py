"""Pages for people: the audits at /, and one of them, live, at /audits/{id}."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from palimpsest.contract.problems import Code
from palimpsest.contract.status import State
from service import answers, audits, cursor
from service.callers import MayRead
from service.desk import TheDesk
from service.gateway import TheGateway
from service.pages import making
from service.routes.audits import AuditId
from service.routes.documented import ALWAYS, PAGE, problems

router = APIRouter(tags=["pages"])

ON_A_PAGE = 50


@router.get("/", response_class=Response, responses={**problems(*ALWAYS, Code.MALFORMED_REQUEST), 200: PAGE})
def audits_page(
    gateway: TheGateway,
    caller: MayRead,
    state: State | None = None,
    cursor_: Annotated[str | None, Query(alias="cursor", max_length=1000)] = None,
) -> Response:
    """The caller's audits, newest first, for a browser."""
    selection = cursor.Selection(state, None)
    before = cursor.read(cursor_, selection)
    page = audits.page(gateway, caller.tenant, limit=ON_A_PAGE, selection=selection, before=before)
    shown = [making.shown(answers.status(row), row.report_digest) for row in page.rows]
    return making.listing(shown, state=state, older=cursor.written(selection, page.last))


@router.get(
    "/audits/{audit_id}", response_class=Response, responses={**problems(*ALWAYS, Code.AUDIT_NOT_FOUND), 200: PAGE}
)
async def audit_page(audit_id: AuditId, desk: TheDesk, caller: MayRead) -> Response:
    """Where one audit stands, for a browser; the page follows its events."""
    row = (await desk.standings.told(caller.tenant, audit_id)).row
    return making.standing(making.shown(answers.status(row), row.report_digest))
