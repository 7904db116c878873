"""The last unit: all that the others came to, as one report."""

from ledger.audits import UnitResult
from ledger.units import Conclusion
from palimpsest.contract.report import StageCost
from worker import analyses, detections, references, regional
from worker.engine import audit, report
from worker.engine.findings import Failure, Findings
from worker.engine.records import MitigationRecord, ProbeRecord
from worker.job import Job, Outcome
from worker.limitations import limitations
from worker.plan import Plan
from worker.shelf import Shelf
from worker.workshop import environment

NOTHING = StageCost(unet_sample_forwards=0, unet_sample_forwards_with_gradient=0, seconds=0.0)


def conclude(job: Job) -> Outcome:
    """Verdicts, rates and the report, rendered once."""
    answered = report.conclude(_findings(job))
    shelf = Shelf(job.workshop.evidence, job.ticket.tenant)
    content = report.canonical(answered.model_dump(mode="json"))
    digest = shelf.keep("report.json", content, "application/json", "report")
    conclusion = Conclusion(answered.summary.outcome, answered.result_digest, digest)
    return Outcome(result={"report": digest}, kept=shelf.kept, conclusion=conclusion)


def _findings(job: Job) -> Findings:
    results = job.results()
    drafted = next((Plan.model_validate(u.result) for u in results if u.kind == "plan" and u.result), None)
    plan = drafted or Plan.empty(job.request)
    referenced = references.references_of(plan, results)
    done = [unit for unit in results if unit.state == "done"]
    made = [unit.result["record"] for unit in done if unit.kind == "mitigate" and unit.result]
    return Findings(
        audit_id=job.ticket.audit_id,
        state=job.row.ending,
        request=job.row.request,
        resolved=plan.resolved,
        targets=[spec.id for spec in plan.targets()],
        controls=list(dict.fromkeys(spec.id for batch in plan.batches for spec in batch.controls)),
        mitigations=plan.mitigations,
        probes={params.name: params.kind for params in job.request.probes},
        probed=[ProbeRecord.model_validate(u.result) for u in done if u.kind in ("baseline", "probe")],
        mitigated=[MitigationRecord.model_validate(record) for record in made if record]
        + [_untouched(name) for name in plan.untouched],
        failures=_failures(plan, results),
        models=plan.models(job.request.model),
        judges=audit.judges(job.workshop.descriptor),
        drift_bound=audit.DRIFT_BOUND,
        environment=environment(job.workshop.engine),
        seeds={"seed": job.request.seed},
        limitations=[*limitations(job.request, plan), *references.told(referenced), *regional.told(plan)],
        other_costs={"plan": NOTHING, **detections.costs(results)},
        detections=detections.detections_of(plan, results),
        analyses=analyses.analyses_of(plan, results),
        references=referenced,
        regions=regional.regions_of(results),
        scopes={spec.id: spec.region for spec in plan.targets() if spec.region is not None},
        without_prompt=frozenset(spec.id for spec in plan.targets() if spec.prompt is None),
    )


def _untouched(name: str) -> MitigationRecord:
    return MitigationRecord(
        mitigation=name, scope=None, what="nothing", size=0, off={}, drift={}, notes=[], cost=NOTHING
    )


def _failures(plan: Plan, results: list[UnitResult]) -> list[Failure]:
    """Every batch that was not measured, with the code of what stopped it: its own unit's, or its mitigation's."""
    lost = [u for u in results if u.kind in ("baseline", "mitigate", "probe") and u.state != "done"]
    codes = {(u.kind, u.payload.get("mitigation"), u.payload["batch"]): u.error or u.state.upper() for u in lost}
    return [
        Failure(
            mitigation,
            [spec.id for spec in plan.batches[batch].targets],
            codes.get(("mitigate", mitigation, batch)) or codes.get(("mitigate", mitigation, None)) or code,
        )
        for (kind, mitigation, batch), code in codes.items()
        if kind != "mitigate"
    ]
