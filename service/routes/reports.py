"""GET /v1/audits/{id}/report"""

import time

from fastapi import APIRouter, Response

from palimpsest.contract.problems import Code
from palimpsest.contract.report import AuditReport
from service import audits
from service.gateway import TheGateway, TheTenant
from service.routes.audits import AuditId
from service.routes.documented import ALWAYS, problems

router = APIRouter(tags=["reports"])


@router.get(
    "/v1/audits/{audit_id}/report",
    response_model=AuditReport,
    responses=problems(*ALWAYS, Code.AUDIT_NOT_FOUND, Code.REPORT_NOT_READY, Code.REPORT_REMOVED),
)
def get_report(audit_id: AuditId, gateway: TheGateway, tenant: TheTenant) -> Response:
    """The report, byte for byte as the worker wrote it."""
    content = audits.report(gateway, tenant, audit_id, now=time.time())
    return Response(content, media_type="application/json", headers={"Cache-Control": "private, no-cache"})
