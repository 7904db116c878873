"""GET /v1/audits/{id}/mitigations/{mitigation_id}/checkpoint"""

import time
from typing import Annotated

from fastapi import APIRouter, Header, Path, Response
from fastapi.responses import StreamingResponse

from palimpsest.contract.problems import Code
from service import answers, exports
from service.callers import MayReadEvidence
from service.gateway import TheGateway
from service.recorded import recorded
from service.routes.audits import AuditId
from service.routes.documented import ALWAYS, TAKEN_AWAY, UNCHANGED, problems

router = APIRouter(tags=["reports"])

MitigationId = Annotated[str, Path(description="its id in the request, or its kind where it was given none")]
Known = Annotated[str | None, Header(alias="If-None-Match", description="an ETag")]


@router.get(
    "/v1/audits/{audit_id}/mitigations/{mitigation_id}/checkpoint",
    response_class=StreamingResponse,
    responses={
        **problems(
            *ALWAYS,
            Code.AUDIT_NOT_FOUND,
            Code.MITIGATION_NOT_FOUND,
            Code.MITIGATION_NOT_EXPORTABLE,
            Code.CHECKPOINT_NOT_READY,
            Code.CHECKPOINT_REMOVED,
        ),
        200: TAKEN_AWAY,
        304: UNCHANGED,
    },
)
def get_checkpoint(
    audit_id: AuditId, mitigation_id: MitigationId, gateway: TheGateway, caller: MayReadEvidence, known: Known = None
) -> Response:
    """What a joint mitigation adds to the weights of the audited model, as a safetensors file. It is recorded."""
    found = exports.checkpoint(gateway, caller.tenant, audit_id, mitigation_id, now=time.time())
    etag = f'"{found.digest}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if answers.is_known(known, etag):
        return Response(status_code=304, headers=headers)
    recorded(gateway, caller, "checkpoint.read", f"{audit_id}/{mitigation_id}")
    headers |= {
        "Content-Length": str(found.size),
        "Content-Disposition": f'attachment; filename="{mitigation_id}.safetensors"',
    }
    return StreamingResponse(exports.content(gateway, found), headers=headers, media_type=exports.MEDIA_TYPE)
