"""GET /v1/audits/{id}/report, in every format there is, and GET /v1/signing-keys"""

import time
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from ledger import renderings
from palimpsest.contract.problems import Code
from palimpsest.contract.report import AuditReport
from palimpsest.contract.signing import SigningKey, SigningKeyList
from palimpsest.renderings.formats import FORMATS, JSON
from service import answers, audits, reports
from service.callers import MayRead
from service.gateway import TheGateway
from service.negotiation import chosen
from service.recorded import recorded
from service.routes.audits import AuditId
from service.routes.documented import ALWAYS, REPORT, REPORT_CURRENT, problems

router = APIRouter(tags=["reports"])

Wanted = Annotated[
    str | None, Query(alias="format", description="instead of Accept: " + ", ".join(f"`{name}`" for name in FORMATS))
]
Known = Annotated[str | None, Header(alias="If-None-Match", description="an ETag")]


@router.get(
    "/v1/audits/{audit_id}/report",
    response_model=AuditReport,
    responses={
        **problems(*ALWAYS, Code.AUDIT_NOT_FOUND, Code.REPORT_NOT_READY, Code.REPORT_REMOVED, Code.UNKNOWN_FORMAT),
        200: REPORT,
        304: REPORT_CURRENT,
    },
)
def get_report(
    audit_id: AuditId,
    gateway: TheGateway,
    caller: MayRead,
    http: Request,
    wanted: Wanted = None,
    known: Known = None,
) -> Response:
    """The report, byte for byte as the worker wrote it, or what the sweeper made of it.

    In which format says `format`, or else the header `Accept`. That it was read is recorded.
    """
    told = chosen(wanted, ", ".join(http.headers.getlist("accept")) or None)
    digest = reports.find(gateway, caller.tenant, audit_id, told, now=time.time())
    headers = {"ETag": f'"{digest}"', "Cache-Control": "private, no-cache", "Vary": "Accept"}
    if answers.is_known(known, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if told.shown:
        headers |= answers.SHOWN
    elif told is not JSON:
        headers |= {"Content-Disposition": f'attachment; filename="{told.file}"', "X-Content-Type-Options": "nosniff"}
    content = audits.read(gateway, caller.tenant, digest, "the report")
    recorded(gateway, caller, "report.read", audit_id)
    return Response(content, media_type=told.media_type, headers=headers)


@router.get("/v1/signing-keys", responses=problems(*ALWAYS))
def list_signing_keys(gateway: TheGateway, caller: MayRead) -> SigningKeyList:
    """The public keys that have signed reports here, the newest first. Trust them by another way than this one."""
    with gateway.ledger.reading() as connection:
        found = renderings.keys(connection, caller.tenant)
    told = [SigningKey(keyid=k.keyid, pem=k.pem, since=datetime.fromtimestamp(k.since, UTC)) for k in found]
    return SigningKeyList(data=told)
