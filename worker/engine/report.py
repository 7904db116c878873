"""From records to the answer, with a digest that no fault on the way can change.

Data flows one way: records (``findings``) → table of cells (``cells``) → verdicts (``judging``) → summary
(``summary``) → report.
"""

import hashlib
import json
from typing import Any

from palimpsest.contract.report import SCHEMA_VERSION, AuditReport, Cost, StageCost, Summary
from worker.engine.cells import Cells
from worker.engine.findings import Findings
from worker.engine.judging import verdicts_of
from worker.engine.rates import descriptive
from worker.engine.summary import summarize


def conclude(findings: Findings) -> AuditReport:
    """The report, with its digest."""
    cells = Cells(findings)
    verdicts = [verdict for name in findings.mitigations for verdict in verdicts_of(findings, cells, name)]
    summary = summarize(findings, cells, verdicts)
    report = AuditReport(
        schema_version=SCHEMA_VERSION,
        audit_id=findings.audit_id,
        result_digest="",
        request=findings.request,
        resolved=findings.resolved,
        models=findings.models,
        judges=findings.judges,
        verdicts=verdicts,
        detections=findings.detections,
        references=findings.references,
        regions=findings.regions,
        analyses=findings.analyses,
        summary=summary,
        cost=cost_of(findings),
        environment=findings.environment,
        seeds=findings.seeds,
        limitations=limitations_of(findings, summary),
        state=findings.state,
    )
    return report.model_copy(update={"result_digest": result_digest(report)})


def result_digest(report: AuditReport) -> str:
    """sha256 of canonical JSON without ids, times, seconds and host: equal for equal requests on equal machines."""
    data = report.model_dump(mode="json", exclude={"audit_id", "result_digest", "environment"})
    for cost in [*data["cost"]["stages"].values(), data["cost"]["total"]]:
        del cost["seconds"]
    for name in ("labels", "force_new", "sets"):
        data["request"].pop(name, None)
        data["resolved"].pop(name, None)
    return hashlib.sha256(canonical(data)).hexdigest()


def canonical(data: Any) -> bytes:
    """JSON with sorted keys and no spaces."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def cost_of(findings: Findings) -> Cost:
    """By stage: baseline, mitigate:…, probe:…"""
    stages: dict[str, StageCost] = dict(findings.other_costs)
    named: list[tuple[str, StageCost]] = [
        ("baseline" if record.mitigation is None else f"probe:{record.mitigation}", record.cost)
        for record in findings.probed
    ]
    named += [(f"mitigate:{record.mitigation}", record.cost) for record in findings.mitigated]
    for name, cost in named:
        stages[name] = plus(stages[name], cost) if name in stages else cost
    total = StageCost(unet_sample_forwards=0, unet_sample_forwards_with_gradient=0, seconds=0.0)
    for cost in stages.values():
        total = plus(total, cost)
    return Cost(stages=stages, total=total)


def plus(a: StageCost, b: StageCost) -> StageCost:
    """Both together."""
    return StageCost(
        unet_sample_forwards=a.unet_sample_forwards + b.unet_sample_forwards,
        unet_sample_forwards_with_gradient=a.unet_sample_forwards_with_gradient + b.unet_sample_forwards_with_gradient,
        seconds=round(a.seconds + b.seconds, 3),
    )


def limitations_of(findings: Findings, summary: Summary) -> list[str]:
    """What this audit does not show, in sentences."""
    said = list(findings.limitations)
    said += [note for record in findings.mitigated for note in record.notes]
    if any(row.scope == "per_target" for row in summary.mitigations):
        said.append("Per-target mitigations diagnose; only joint ones describe a model that could be shipped.")
    if descriptive(summary.targets, summary.controls):
        said.append(
            f"{summary.controls} controls are too few to test {summary.targets} targets at the 5 % level: "
            "the comparison with controls is descriptive."
        )
    said.append("not_recovered holds within the stated budget and threat model; it never means erased.")
    return list(dict.fromkeys(said))
