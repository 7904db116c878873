"""What can be taken away of an audit: the model that a joint mitigation of weights has made, as what it adds to them.

Refused are, in this order: an audit that is not there; a mitigation it was not asked for; one that is not one model
with other weights; an audit that has not ended; a mitigation that came to nothing; and what has been removed since.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ledger import exports
from ledger.audits import AuditRow
from ledger.exports import Export
from palimpsest.contract.methods import is_exportable
from palimpsest.contract.problems import Code
from palimpsest.contract.status import TERMINAL
from service import answers, audits
from service.errors import FINAL, Refusal
from service.gateway import Gateway

MEDIA_TYPE = "application/vnd.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """A safetensors file by its digest, its size in bytes and who reads it."""

    digest: str
    size: int
    tenant: str


def checkpoint(gateway: Gateway, tenant: str, audit_id: str, mitigation: str, *, now: float) -> Checkpoint:
    """Where it is. Raises NotFound, or a Refusal that says why there is none."""
    row = audits.look_up(gateway, tenant, audit_id)
    if not is_exportable(_asked(row, mitigation)):
        raise Refusal(
            Code.MITIGATION_NOT_EXPORTABLE,
            "only a joint mitigation of weights is a model that can be taken away: this one has a model per target, "
            "stands in front of the model, or changes nothing",
            headers=FINAL,
        )
    if row.state not in TERMINAL:
        headers = {"Retry-After": str(answers.retry_after(row, now=now))}
        raise Refusal(Code.CHECKPOINT_NOT_READY, f"the audit is {row.state}; try again later", headers=headers)
    with gateway.ledger.reading() as connection:
        found = exports.of_mitigation(connection, tenant, audit_id, f"mitigate:{mitigation}")
    return Checkpoint(*_there(found), tenant)


def _asked(row: AuditRow, mitigation: str) -> dict[str, Any]:
    for params in row.request.get("mitigations") or []:
        if (params.get("id") or params["kind"]) == mitigation:
            return dict(params)
    raise Refusal(Code.MITIGATION_NOT_FOUND, "the audit was not asked for a mitigation of this id")


def _there(found: Export | None) -> tuple[str, int]:
    if found is None or found.digest is None or found.size is None:
        why = "was never begun" if found is None else f"ended as {found.error or found.state} and kept none"
        raise Refusal(Code.CHECKPOINT_NOT_READY, f"the mitigation {why}", headers=FINAL)
    if found.removed:
        detail = "the time for which checkpoints are kept is over; audit again with force_new"
        raise Refusal(Code.CHECKPOINT_REMOVED, detail, headers=FINAL)
    return found.digest, found.size


def content(gateway: Gateway, found: Checkpoint) -> Iterator[bytes]:
    """Block by block, as any kept file. Raises a Refusal at once."""
    return audits.blocks(gateway, found.tenant, found.digest, "the checkpoint")
