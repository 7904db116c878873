"""The stations of an audit: what each kind of unit does with the engine, and what it leaves in the ledger.

plan → regions → baseline, calibrate:… → detect:… → reference, mitigate:… → probe:…, search:… → analyse:… → report. A
unit's payload names its items; everything else is read from the request, so that a unit depends on nothing but the
audit and its place in it.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from ledger import audits
from ledger.units import Ticket
from palimpsest.contract.methods import DetectorParams, ExternalParams, LocalityParams, Params
from worker import analyses, detections, locating, references, regional
from worker.conclusion import NOTHING, conclude
from worker.engine import audit
from worker.engine.catalogue import loads
from worker.engine.errors import MethodFailed
from worker.engine.records import ProbeRecord
from worker.job import Job, Outcome, request_of
from worker.lease import Lease
from worker.plan import Plan, draft, expected_rows
from worker.shelf import Shelf
from worker.training import Training
from worker.workshop import Workshop


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
    batch = plan.batches[job.ticket.payload["batch"]]
    unit = None if mitigation is None else _made(job, mitigation)
    if unit is not None and unit["record"] is None:
        return Outcome(result=ProbeRecord(mitigation=mitigation, items=[], cost=NOTHING).model_dump(mode="json"))
    made = None if unit is None else unit["edit"]
    edit = None if made is None else loads(job.workshop.evidence.get(job.ticket.tenant, made))
    setting = job.setting(plan, elsewhere=mitigation is not None and made is None)
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


def regions(job: Job) -> Outcome:
    """How every item of one region is judged there, fixed on the unmitigated model's pictures of neutral prompts."""
    record = regional.fixed_in(job, job.ticket.payload["region"])
    return Outcome(result=record.model_dump(mode="json"))


def _made(job: Job, mitigation: str) -> dict[str, Any]:
    """What the mitigation came to for this batch: its own unit's result, or that of a joint mitigation.

    ``edit`` is its file's digest, None for a change that was made elsewhere; ``record`` is None where there was no
    target to be mitigated.
    """
    made = job.results(f"mitigate:{mitigation}")
    unit = made[0] if len(made) == 1 else made[job.ticket.payload["batch"]]
    if unit.result is None:
        raise MethodFailed(f"the mitigation {mitigation} failed: {unit.error}")
    return unit.result


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
    if not targets:
        return Outcome(result={"record": None, "edit": None})
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
    """One analysis, of one mitigation's edit or of the unmitigated model."""
    payload = job.ticket.payload
    params = job.method(list[Params](job.request.analyses), payload["analysis"])
    if isinstance(params, LocalityParams):
        return _locate(job, params)
    made = _made(job, payload["mitigation"])["edit"]
    if made is None:
        raise MethodFailed("there is no edit to be analysed")
    edit = loads(job.workshop.evidence.get(job.ticket.tenant, made))
    return Outcome(result=analyses.analysed(job.setting(job.plan), edit, params).model_dump(mode="json"))


def search(job: Job) -> Outcome:
    """Triggers of a few targets, from one kind of start, on the unmitigated model."""
    plan, payload = job.plan, job.ticket.payload
    params = job.method(list[Params](job.request.analyses), payload["analysis"])
    if not isinstance(params, LocalityParams):
        raise MethodFailed(f"{payload['analysis']} needs no triggers")
    setting = job.setting(plan)
    few = locating.part(plan, params, payload["part"])
    job.lease.expected = locating.expected_rows(setting, few, params)
    shelf = Shelf(job.workshop.evidence, job.ticket.tenant)
    items = job.items(few, setting.model.resolution)
    record = locating.sought(setting, items, payload["start"], params, shelf.keep)
    return Outcome(result=record.model_dump(mode="json"), kept=shelf.kept)


def _locate(job: Job, params: LocalityParams) -> Outcome:
    """The triggers that were found, compared."""
    plan = job.plan
    setting, shelf = job.setting(plan), Shelf(job.workshop.evidence, job.ticket.tenant)
    get = partial(job.workshop.evidence.get, job.ticket.tenant)
    units = job.results(f"search:{params.name}")
    record = locating.located(setting, units, locating.captions(plan, params), params, get, shelf.keep)
    return Outcome(result=record.model_dump(mode="json"), kept=shelf.kept)


def reference(job: Job) -> Outcome:
    """What stands in for the image of this batch's targets that have none."""
    plan, batch = job.plan, job.ticket.payload["batch"]
    setting, shelf = job.setting(plan), Shelf(job.workshop.evidence, job.ticket.tenant)
    stages = [f"{what}:{name}" for name in plan.detectors for what in ("calibrate", "detect")]
    heard = [unit for stage in stages for unit in job.results(stage)]
    lines = detections.detections_of(plan, heard, [batch])
    job.lease.expected = references.expected_rows(setting, plan.batches[batch])
    record = references.settled(setting, plan.batches[batch], lines, shelf.keep)
    return Outcome(result=record.model_dump(mode="json"), kept=shelf.kept)


_PERFORM: dict[str, Callable[[Job], Outcome]] = {
    "plan": plan,
    "regions": regions,
    "baseline": baseline,
    "calibrate": calibrate,
    "detect": detect,
    "reference": reference,
    "search": search,
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
