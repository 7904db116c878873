"""The stations of an audit: what each kind of unit does with the engine, and what it leaves in the ledger.

plan → baseline, calibrate:… → detect:…, mitigate:… → probe:… → analyse:… → report. A unit's payload names its items;
everything else is read from the request, so that a unit depends on nothing but the audit and its place in it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from ledger import audits
from ledger.audits import AuditRow, UnitResult
from ledger.evidence import Kept
from ledger.stages import StagePlan
from ledger.units import Conclusion, Ticket
from palimpsest.contract.methods import DetectorParams, ExternalParams, Params
from palimpsest.contract.report import StageCost
from palimpsest.contract.request import AuditRequest
from worker import analyses, detections
from worker.engine import audit, images, report
from worker.engine.catalogue import loads
from worker.engine.errors import MethodFailed, SetChanged
from worker.engine.items import Item
from worker.engine.records import MitigationRecord, ProbeRecord
from worker.engine.setting import EFFORTS, Sampler, Setting
from worker.lease import Lease
from worker.plan import ItemSpec, Plan, draft, expected_rows, keeper, limitations, origin
from worker.shelf import Shelf
from worker.training import Training
from worker.workshop import Workshop, environment

M = TypeVar("M", bound=Params)
NOTHING = StageCost(unet_sample_forwards=0, unet_sample_forwards_with_gradient=0, seconds=0.0)


@dataclass(frozen=True)
class Outcome:
    """What a unit brings: its result, its evidence, and what it planned or concluded."""

    result: dict[str, Any]
    kept: list[Kept] = field(default_factory=list)
    planned: list[StagePlan] | None = None
    conclusion: Conclusion | None = None


@dataclass(frozen=True)
class Job:
    """One unit with its audit at hand."""

    workshop: Workshop
    ticket: Ticket
    lease: Lease
    row: AuditRow
    request: AuditRequest

    @property
    def plan(self) -> Plan:
        """What the planning unit resolved."""
        [planned] = self.results("plan")
        if planned.result is None:
            raise MethodFailed("the audit was not planned")
        return Plan.model_validate(planned.result)

    def results(self, stage: str | None = None) -> list[UnitResult]:
        """What other units came to."""
        with self.workshop.ledger.reading() as connection:
            return audits.results(connection, self.ticket.tenant, self.ticket.audit_id, stage=stage)

    def setting(self, plan: Plan, *, elsewhere: bool = False) -> Setting:
        """The engine's surroundings, on the very model the audit was planned for.

        Beside a baseline, the model under audit is worked on where it stands for what was done ``elsewhere``.
        """
        registration, model_id, digest = origin(self.workshop, self.request), self.request.model, plan.model_digest
        if plan.baseline is not None and not elsewhere:
            model_id, digest = plan.baseline.id, plan.baseline.digest
        model = self.workshop.model(model_id, digest)
        model.on_forward = self.lease.tick
        return Setting(
            model=model,
            descriptor=self.workshop.descriptor,
            sampler=Sampler(registration.steps, registration.guidance),
            effort=EFFORTS[self.request.effort],
            seed=self.request.seed,
            neutral=registration.neutral,
        )

    def items(self, specs: list[ItemSpec], side: int) -> list[Item]:
        """The pictures and captions these specs name."""
        return [self._item(spec, side) for spec in specs]

    def _item(self, spec: ItemSpec, side: int) -> Item:
        first, *others = [images.read(self._content(spec, sha256), side) for sha256 in spec.sha256]
        return Item(spec.id, spec.role, spec.prompt, first, tuple(others))

    def _content(self, spec: ItemSpec, sha256: str) -> bytes:
        if spec.set_id is None:
            return self.workshop.evidence.get(self.ticket.tenant, sha256)
        content = keeper(self.workshop, self.request, spec.set_id).row(spec.set_id, spec.id).file.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise SetChanged(f"the picture {spec.id} of {spec.set_id} has changed since this audit was planned")
        return content

    def method(self, listed: list[M], name: str) -> M:
        """A method of the request by its id."""
        return next(params for params in listed if params.name == name)


def plan(job: Job) -> Outcome:
    """Resolve the request and lay out every unit that follows."""
    drafted, planned = draft(job.workshop, job.row, job.request)
    job.lease.tick(1)
    return Outcome(result=drafted.model_dump(mode="json"), planned=planned)


def baseline(job: Job) -> Outcome:
    """Every probe on the unmitigated model."""
    return _measure(job, mitigation=None)


def probe(job: Job) -> Outcome:
    """Every probe on one mitigated model."""
    return _measure(job, mitigation=job.ticket.payload["mitigation"])


def _measure(job: Job, mitigation: str | None) -> Outcome:
    plan = job.plan
    made = None if mitigation is None else _made(job, mitigation)
    edit = None if made is None else loads(job.workshop.evidence.get(job.ticket.tenant, made))
    setting = job.setting(plan, elsewhere=mitigation is not None and made is None)
    batch = plan.batches[job.ticket.payload["batch"]]
    shelf = Shelf(job.workshop.evidence, job.ticket.tenant)
    job.lease.expected = expected_rows(setting, batch, job.request.probes)
    record = audit.measure(
        setting,
        job.items(batch.targets, setting.model.resolution),
        job.items(batch.controls, setting.model.resolution),
        list(job.request.probes),
        shelf.keep,
        mitigation,
        edit,
        made or "",
    )
    return Outcome(result=record.model_dump(mode="json"), kept=shelf.kept)


def _made(job: Job, mitigation: str) -> str | None:
    """The digest of the mitigation's edit for this batch: its own, or the one of a joint mitigation; None for a change
    that was made elsewhere."""
    made = job.results(f"mitigate:{mitigation}")
    unit = made[0] if len(made) == 1 else made[job.ticket.payload["batch"]]
    if unit.result is None:
        raise MethodFailed(f"the mitigation {mitigation} failed: {unit.error}")
    digest: str | None = unit.result["edit"]
    return digest


def mitigate(job: Job) -> Outcome:
    """What one mitigation switches off, for one batch of targets or for all."""
    plan = job.plan
    payload = job.ticket.payload
    params = job.method(list[Params](job.request.mitigations), payload["mitigation"])
    if isinstance(params, ExternalParams):
        return _compare(job, plan, params)
    training = Training(job.workshop, job.ticket, job.lease)
    setting = replace(job.setting(plan), checkpoint=training.checkpoint)
    batches = plan.batches if payload["batch"] is None else [plan.batches[payload["batch"]]]
    targets = job.items([spec for batch in batches for spec in batch.targets], setting.model.resolution)
    mitigated, record = audit.mitigate(setting, targets, params)
    if mitigated.edit is None:
        raise MethodFailed(f"the mitigation {params.name} switches nothing off")
    shelf = Shelf(job.workshop.evidence, job.ticket.tenant)
    digest = shelf.keep_edit(setting.model, mitigated.edit)
    return Outcome(result={"record": record.model_dump(mode="json"), "edit": digest}, kept=shelf.kept)


def _compare(job: Job, plan: Plan, params: ExternalParams) -> Outcome:
    """How far the model under audit is from its baseline; there is no edit to be kept."""
    if plan.baseline is None:
        raise MethodFailed("no baseline_model says which model this one came from")
    record = audit.elsewhere(partial(job.setting, plan), partial(job.setting, plan, elsewhere=True), params)
    return Outcome(result={"record": record.model_dump(mode="json"), "edit": None})


def calibrate(job: Job) -> Outcome:
    """One detector's threshold, from the unmitigated model's neutral prompts."""
    params = job.method(list[DetectorParams](job.request.detectors), job.ticket.payload["detector"])
    record = job.workshop.calibrations.get(job.setting(job.plan), params)
    return Outcome(result=record.model_dump(mode="json"))


def detect(job: Job) -> Outcome:
    """One detector on the prompts of one batch, targets and controls alike."""
    plan, payload = job.plan, job.ticket.payload
    params = job.method(list[DetectorParams](job.request.detectors), payload["detector"])
    [calibrated] = job.results(f"calibrate:{params.name}")
    record = detections.heard(job.setting(plan), plan.batches[payload["batch"]], params, calibrated)
    return Outcome(result=record.model_dump(mode="json"))


def analyse(job: Job) -> Outcome:
    """One analysis of one mitigation's edit."""
    payload = job.ticket.payload
    params = job.method(list[Params](job.request.analyses), payload["analysis"])
    made = _made(job, payload["mitigation"])
    if made is None:
        raise MethodFailed("there is no edit to be analysed")
    edit = loads(job.workshop.evidence.get(job.ticket.tenant, made))
    return Outcome(result=analyses.analysed(job.setting(job.plan), edit, params).model_dump(mode="json"))


def conclude(job: Job) -> Outcome:
    """Verdicts, rates and the report, rendered once."""
    answered = report.conclude(_findings(job))
    shelf = Shelf(job.workshop.evidence, job.ticket.tenant)
    content = report.canonical(answered.model_dump(mode="json"))
    digest = shelf.keep("report.json", content, "application/json", "report")
    conclusion = Conclusion(answered.summary.outcome, answered.result_digest, digest)
    return Outcome(result={"report": digest}, kept=shelf.kept, conclusion=conclusion)


def _findings(job: Job) -> report.Findings:
    results = job.results()
    drafted = next((Plan.model_validate(u.result) for u in results if u.kind == "plan" and u.result), None)
    plan = drafted or Plan.empty(job.request)
    done = [unit for unit in results if unit.state == "done"]
    mitigated = [MitigationRecord.model_validate(unit.result["record"]) for unit in done if unit.kind == "mitigate"]  # type: ignore[index]
    return report.Findings(
        audit_id=job.ticket.audit_id,
        state=job.row.ending,
        request=job.row.request,
        resolved=plan.resolved,
        targets=[spec.id for batch in plan.batches for spec in batch.targets],
        controls=[spec.id for batch in plan.batches for spec in batch.controls],
        mitigations=plan.mitigations,
        probes={params.name: params.kind for params in job.request.probes},
        probed=[ProbeRecord.model_validate(u.result) for u in done if u.kind in ("baseline", "probe")],
        mitigated=mitigated + [_untouched(name) for name in plan.untouched],
        failures=_failures(plan, results),
        models=plan.models(job.request.model),
        judges=audit.judges(job.workshop.descriptor),
        drift_bound=audit.DRIFT_BOUND,
        environment=environment(job.workshop.engine),
        seeds={"seed": job.request.seed},
        limitations=limitations(job.request, plan),
        other_costs={"plan": NOTHING, **detections.costs(results)},
        detections=detections.detections_of(plan, results),
        analyses=analyses.analyses_of(plan, results),
    )


def _untouched(name: str) -> MitigationRecord:
    return MitigationRecord(
        mitigation=name, scope=None, what="nothing", size=0, off={}, drift={}, notes=[], cost=NOTHING
    )


def _failures(plan: Plan, results: list[UnitResult]) -> list[report.Failure]:
    """Every batch that was not measured, with the code of what stopped it: its own unit's, or its mitigation's."""
    lost = [u for u in results if u.kind in ("baseline", "mitigate", "probe") and u.state != "done"]
    codes = {(u.kind, u.payload.get("mitigation"), u.payload["batch"]): u.error or u.state.upper() for u in lost}
    return [
        report.Failure(
            mitigation,
            [spec.id for spec in plan.batches[batch].targets],
            codes.get(("mitigate", mitigation, batch)) or codes.get(("mitigate", mitigation, None)) or code,
        )
        for (kind, mitigation, batch), code in codes.items()
        if kind != "mitigate"
    ]


_PERFORM: dict[str, Callable[[Job], Outcome]] = {
    "plan": plan,
    "baseline": baseline,
    "calibrate": calibrate,
    "detect": detect,
    "analyse": analyse,
    "mitigate": mitigate,
    "probe": probe,
    "report": conclude,
}


def _station(kind: str) -> Callable[[Workshop, Ticket, Lease], Outcome]:
    def perform(workshop: Workshop, ticket: Ticket, lease: Lease) -> Outcome:
        with workshop.ledger.reading() as connection:
            row = audits.get(connection, ticket.tenant, ticket.audit_id)
        return _PERFORM[kind](Job(workshop, ticket, lease, row, request_of(row.request)))

    return perform


STATIONS = {kind: _station(kind) for kind in _PERFORM}


def request_of(stored: dict[str, Any]) -> AuditRequest:
    """The request as the ledger keeps it, with its images named by digest, as the contract's own type."""
    listed = {
        name: [{**target, "images": []} for target in stored[name]]
        for name in ("targets", "controls")
        if stored.get(name) is not None
    }
    return AuditRequest.model_validate({**stored, **listed})
