"""GET /v1/audits/{id}/evidence/{digest}"""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import StreamingResponse

from palimpsest.contract.problems import Code
from service import audits
from service.callers import MayReadEvidence
from service.gateway import TheGateway
from service.recorded import recorded
from service.routes.audits import AuditId
from service.routes.documented import ALWAYS, EVIDENCE, problems

router = APIRouter(tags=["reports"])

Digest = Annotated[str, Path(description="sha256 of the file, as the report or an embedding's metadata names it")]
HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Disposition": "attachment",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""A file is never shown by a browser as a page of this service, and its pictures only in our own pages."""


@router.get(
    "/v1/audits/{audit_id}/evidence/{digest}",
    response_class=StreamingResponse,
    responses={
        **problems(*ALWAYS, Code.AUDIT_NOT_FOUND, Code.EVIDENCE_NOT_FOUND, Code.EVIDENCE_REMOVED),
        200: EVIDENCE,
    },
)
def get_evidence(audit_id: AuditId, digest: Digest, gateway: TheGateway, caller: MayReadEvidence) -> Response:
    """A file that the audit kept, byte for byte: a picture, an embedding, a mitigation's edit. It is recorded."""
    content, media_type = audits.evidence(gateway, caller.tenant, audit_id, digest)
    recorded(gateway, caller, "evidence.read", f"{audit_id}/{digest}")
    return StreamingResponse(content, media_type=media_type, headers=HEADERS)
