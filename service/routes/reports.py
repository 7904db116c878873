"""GET /v1/audits/{id}/report"""

import time

from fastapi import APIRouter, Response

from palimpsest.contract.problems import Code
from palimpsest.contract.report import AuditReport
from service import audits
from service.callers import MayRead
from service.gateway import TheGateway
from service.recorded import recorded
from service.routes.audits import AuditId
from service.routes.documented import ALWAYS, problems

router = APIRouter(tags=["reports"])


@router.get(
    "/v1/audits/{audit_id}/report",
    response_model=AuditReport,
    responses=problems(*ALWAYS, Code.AUDIT_NOT_FOUND, Code.REPORT_NOT_READY, Code.REPORT_REMOVED),
)
def get_report(audit_id: AuditId, gateway: TheGateway, caller: MayRead) -> Response:
    """The report, byte for byte as the worker wrote it. That it was read is recorded."""
    content = audits.report(gateway, caller.tenant, audit_id, now=time.time())
    recorded(gateway, caller, "report.read", audit_id)
    return Response(content, media_type="application/json", headers={"Cache-Control": "private, no-cache"})
