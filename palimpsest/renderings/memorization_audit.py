"""This project's own predicate: what an audit says of a model, without captions and without pictures.

``urn:palimpsest:predicate:memorization-audit:0.1``. All of it is in the report, which it names by digest; it is what a
verifier needs to decide without the report at hand.
"""

from typing import Any

from palimpsest import __version__
from palimpsest.contract.report import MitigationSummary
from palimpsest.renderings import mappings
from palimpsest.renderings.original import Original, written
from palimpsest.renderings.statement import report_descriptor, statement

PREDICATE_TYPE = "urn:palimpsest:predicate:memorization-audit:0.1"
RESOLVED = ("mitigations", "probes", "scorers", "effort", "sampler", "bounds", "regions")
"""Of the resolved request: how it was tested, and not on what."""


def render(original: Original) -> bytes:
    """The statement. Raises NothingToState."""
    report = original.report
    predicate: dict[str, Any] = {
        "report": report_descriptor(original),
        "rendered_by": {"name": "palimpsest", "version": __version__},
        "audit": {"id": report.audit_id, "state": report.state, "result_digest": report.result_digest},
        "engine": report.environment.get("engine"),
        "models": [
            {"id": model.id, "role": model.role, "family": model.family, "digest": model.digest}
            for model in report.models
        ],
        "judges": [judge.model_dump(mode="json") for judge in report.judges],
        "regions": [judge.model_dump(mode="json") for judge in report.regions],
        "resolved": {name: report.resolved[name] for name in RESOLVED if name in report.resolved},
        "seeds": report.seeds,
        "outcome": report.summary.outcome,
        "policy": None if report.summary.policy is None else report.summary.policy.model_dump(mode="json"),
        "targets": report.summary.targets,
        "controls": report.summary.controls,
        "as_it_is": sorted(original.as_it_is),
        "comparison": [compared(row) for row in report.summary.mitigations],
        "verdicts": [
            {
                "target": verdict.target_id,
                "mitigation": verdict.mitigation,
                "verdict": verdict.verdict,
                "reference": verdict.reference,
                "scope": verdict.scope.model_dump(mode="json"),
                "reasons": verdict.reasons,
            }
            for verdict in report.verdicts
        ],
        "limitations": report.limitations,
        "mappings": mappings.rows(),
    }
    return written(statement(original, PREDICATE_TYPE, predicate))


def compared(row: MitigationSummary) -> dict[str, Any]:
    """One row of the comparison, without its curves."""
    return row.model_dump(mode="json", exclude={"recovery_curve"})
