"""The audit of a planted model by a service that offers it."""

from palimpsest.client import AuditClient
from palimpsest.contract.report import AuditReport
from palimpsest.contract.verdicts import VerdictName
from palimpsest.errors import AuditFailed
from worker.canaries.truth import Truth


def request(truth: Truth, *, effort: str, seed: int) -> dict[str, object]:
    """Caption and search, on the planted and the unseen together, beside the controls; nothing is mitigated."""
    return {
        "model": truth.id,
        "target_set": f"{truth.id}:suspects",
        "control_set": f"{truth.id}:controls",
        "effort": effort,
        "seed": seed,
    }


def audited(client: AuditClient, truth: Truth, *, effort: str, seed: int) -> AuditReport:
    """Submit, wait, read. Raises PalimpsestError, AuditFailed too for one that was cancelled or is of another model."""
    accepted = client.submit(request(truth, effort=effort, seed=seed))
    ended = client.wait(accepted.id)
    if ended.state != "succeeded":
        raise AuditFailed(accepted.id, code=None, detail=f"it ended as {ended.state}")
    report = client.report(accepted.id)
    if [model.digest for model in report.models] != [truth.model]:
        detail = f"the service's {truth.id} is not the model of this truth: its files have changed"
        raise AuditFailed(accepted.id, code="MODEL_CHANGED", detail=detail)
    return report


def words(report: AuditReport) -> dict[str, VerdictName]:
    """The verdicts by image."""
    return {verdict.target_id: verdict.verdict for verdict in report.verdicts}
