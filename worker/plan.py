"""Which units an audit consists of: a function of the request and its effort, never of how many workers there are."""

import math
from typing import Any, Literal

from pydantic import BaseModel

from ledger.audits import AuditRow
from ledger.stages import StagePlan, UnitPlan
from palimpsest.contract.methods import (
    AdversarialEmbeddingParams,
    AdversarialTokensParams,
    ExternalParams,
    LocalityParams,
    NoMitigationParams,
    Params,
    ParaphraseParams,
)
from palimpsest.contract.report import ModelIdentity
from palimpsest.contract.request import AuditRequest, Region
from worker.engine.audit import DRIFT_BOUND
from worker.engine.regions import SCALES, SHIFTS, STEP
from worker.engine.setting import EFFORTS, Setting
from worker.engine.thresholds import NEGATIVES
from worker.engine.verdicts import CONTROL_BOUND
from worker.registrations import Registration
from worker.workshop import Workshop

REFERENCE = "reference"
"""The stage that settles what stands in for an image that nobody gave."""

REGIONS = "regions"
"""The stage that fixes how the items of every region are judged there."""

TARGETS_A_SEARCH = 4
"""So many targets share a unit of the searches that locality rests on."""


REGION_JUDGING = {
    "scales": list(SCALES),
    "shifts": [i * STEP for i in SHIFTS],
    "negatives": NEGATIVES,
    "search_loss": "masked",
}
"""What a region's judge looks at, and that searches denoise the region alone (docs/regions.md)."""


class ItemSpec(BaseModel):
    """An item by name and the sha256 of its pictures: a row of a registered set, or images kept as evidence.

    A target without an image has none; what stands in for it is settled after the detectors. With a
    ``region`` its image is judged there: a target's is its request's, a control is an item in each of the targets'.
    """

    id: str
    role: Literal["target", "control"]
    prompt: str | None
    set_id: str | None
    sha256: list[str]
    region: Region | None = None


class Batch(BaseModel):
    """The items that share a unit: judged as whole images, or all of them in one region."""

    targets: list[ItemSpec]
    controls: list[ItemSpec]

    def without_image(self) -> list[ItemSpec]:
        """The targets that came without one."""
        return [spec for spec in self.targets if not spec.sha256]


class Located(BaseModel):
    """Where locality looks: the ids of targets, and the kinds of start its searches have."""

    starts: list[str]
    targets: list[str]


class Plan(BaseModel):
    """What the request comes to: every default filled in, every item named, the models pinned by digest.

    ``baseline`` is the model that the one under audit was mitigated from, where that was done elsewhere.
    """

    model_digest: str
    family: str
    files: dict[str, str] = {}
    baseline: ModelIdentity | None = None
    batches: list[Batch]
    mitigations: list[str]
    untouched: list[str]
    cut: list[str]
    detectors: list[str] = []
    analyses: list[str] = []
    analysed: list[tuple[str, int | None]] = []
    located: dict[str, Located] = {}
    resolved: dict[str, Any]

    def targets(self) -> list[ItemSpec]:
        """Every target, in order."""
        return [spec for batch in self.batches for spec in batch.targets]

    def regions(self) -> list[Region]:
        """Those that targets are judged in, in order."""
        return distinct([spec.region for spec in self.targets() if spec.region is not None])

    @classmethod
    def empty(cls, request: AuditRequest) -> "Plan":
        """For an audit that ended before it was planned."""
        return cls(
            model_digest="",
            family="",
            batches=[],
            mitigations=[],
            untouched=[],
            cut=[],
            resolved={"model": request.model},
        )

    def models(self, audited: str) -> list[ModelIdentity]:
        """The model under audit, and its baseline if it has one."""
        found = ModelIdentity(
            id=audited, role="audited", family=self.family, digest=self.model_digest, files=self.files
        )
        return [found] if self.baseline is None else [found, self.baseline]


def draft(workshop: Workshop, row: AuditRow, request: AuditRequest) -> tuple[Plan, list[StagePlan]]:
    """Resolve the request against the model, and lay out its stages."""
    baseline = None if request.baseline_model is None else identity(workshop, request.baseline_model)
    model = workshop.model(request.model)
    targets = specs(keeper(workshop, request, request.target_set), row.request, "target")
    controls = specs(keeper(workshop, request, request.control_set), row.request, "control")
    mitigations: list[Params] = list(request.mitigations) or [NoMitigationParams()]
    plan = Plan(
        model_digest=model.digest,
        family=model.family,
        files=workshop.files[model.digest],
        baseline=baseline,
        batches=scoped(targets, controls, EFFORTS[request.effort].items_per_unit),
        mitigations=[params.name for params in mitigations],
        untouched=[params.name for params in mitigations if isinstance(params, NoMitigationParams)],
        cut=[spec.id for spec in [*targets, *controls] if spec.prompt is not None and model.is_cut(spec.prompt)],
        detectors=[params.name for params in request.detectors],
        analyses=[params.name for params in request.analyses],
        resolved=resolve(workshop, origin(workshop, request), row.request, request, mitigations),
    )
    plan.analysed = edits(plan, mitigations)
    plan.located = {
        params.name: located(plan, params) for params in request.analyses if isinstance(params, LocalityParams)
    }
    return plan, stages(plan, mitigations)


def edits(plan: Plan, mitigations: list[Params]) -> list[tuple[str, int | None]]:
    """Every edit there will be: one a joint mitigation, one a batch else; none of what was done elsewhere."""
    made: list[tuple[str, int | None]] = []
    for params in mitigations:
        if params.name in plan.untouched or isinstance(params, ExternalParams):
            continue
        joint = getattr(params, "scope", "joint") == "joint"
        made += [(params.name, b) for b in ([None] if joint else range(len(plan.batches)))]
    return made


def located(plan: Plan, params: LocalityParams) -> Located:
    """The first targets that came with an image."""
    ids = [spec.id for spec in plan.targets() if spec.sha256]
    return Located(starts=list(params.starts), targets=ids[: params.images])


def identity(workshop: Workshop, baseline: str) -> ModelIdentity:
    """The baseline as it is now."""
    model = workshop.model(baseline)
    files = workshop.files[model.digest]
    return ModelIdentity(id=baseline, role="baseline", family=model.family, digest=model.digest, files=files)


def origin(workshop: Workshop, request: AuditRequest) -> Registration:
    """Of the unmitigated model: its sampler draws and its neutral prompts are asked, before and after."""
    return workshop.registration(request.baseline_model or request.model)


def keeper(workshop: Workshop, request: AuditRequest, set_id: str | None) -> Registration:
    """Whose target set this is: that of the model under audit, or else its baseline's."""
    audited = workshop.registration(request.model)
    return audited if set_id is None or set_id in audited.sets else origin(workshop, request)


def specs(registration: Registration, stored: dict[str, Any], role: Literal["target", "control"]) -> list[ItemSpec]:
    """The request's targets or controls, from its list or from a registered set."""
    named = stored.get(f"{role}_set")
    if named is not None:
        rows = registration.rows(named)
        return [ItemSpec(id=r.id, role=role, prompt=r.prompt, set_id=named, sha256=[r.sha256]) for r in rows]
    return [
        ItemSpec(
            id=entry["id"] or f"{role}-{n}",
            role=role,
            prompt=entry["prompt"],
            set_id=None,
            sha256=[image["sha256"] for image in entry["images"]],
            region=entry.get("region") and Region.model_validate(entry["region"]),
        )
        for n, entry in enumerate(stored.get(f"{role}s") or [], start=1)
    ]


def scoped(targets: list[ItemSpec], controls: list[ItemSpec], most: int) -> list[Batch]:
    """Whole images, then region by region: every control stands beside the targets of each, judged as they are."""
    made: list[Batch] = []
    for region in [None, *distinct([spec.region for spec in targets if spec.region is not None])]:
        mine = [spec for spec in targets if spec.region == region]
        beside = [spec.model_copy(update={"region": region}) for spec in controls]
        made += batches(mine, beside, most) if mine else []
    return made


def distinct(regions: list[Region]) -> list[Region]:
    """Each once, in order."""
    return list(dict.fromkeys(regions))


def batches(targets: list[ItemSpec], controls: list[ItemSpec], most: int) -> list[Batch]:
    """Targets in order, at most half a unit of them with as even a share of the controls as can be."""
    half = most // 2 if controls else most
    n = min(len(targets), max(math.ceil(len(targets) / half), math.ceil(len(controls) / half)))
    return [Batch(targets=share(targets, i, n), controls=share(controls, i, n)) for i in range(n)]


def share(items: list[ItemSpec], i: int, n: int) -> list[ItemSpec]:
    """The i-th of n parts whose sizes differ by one at most."""
    return items[len(items) * i // n : len(items) * (i + 1) // n]


def stages(plan: Plan, mitigations: list[Params]) -> list[StagePlan]:
    """The audit's graph: baselines and mitigations at once, each mitigation's probes behind it, the report last."""
    every = range(len(plan.batches))
    lacking = [b for b in every if plan.batches[b].without_image()]
    settled = [REFERENCE] if lacking else []
    fixed = [UnitPlan(REGIONS, {"region": n}) for n in range(len(plan.regions()))]
    planned = [StagePlan(REGIONS, fixed)] if fixed else []
    settled += [REGIONS] if fixed else []
    baseline = StagePlan("baseline", [UnitPlan("baseline", {"batch": b}) for b in every], after=settled)
    planned += [] if lacking else [baseline]
    for name in plan.detectors:
        planned.append(StagePlan(f"calibrate:{name}", [UnitPlan("calibrate", {"detector": name})]))
        heard = [UnitPlan("detect", {"detector": name, "batch": b}) for b in every]
        planned.append(StagePlan(f"detect:{name}", heard, after=[f"calibrate:{name}"]))
    if lacking:
        units = [UnitPlan(REFERENCE, {"batch": b}) for b in lacking]
        planned += [StagePlan(REFERENCE, units, after=[f"detect:{name}" for name in plan.detectors]), baseline]
    for params in mitigations:
        if params.name in plan.untouched:
            continue
        joint = getattr(params, "scope", "joint") == "joint"
        edits: list[int | None] = [None] if joint else list(every)
        made, probed = f"mitigate:{params.name}", f"probe:{params.name}"
        payloads = [{"mitigation": params.name, "batch": b} for b in edits]
        planned.append(StagePlan(made, [UnitPlan("mitigate", payload) for payload in payloads], after=settled))
        units = [UnitPlan("probe", {"mitigation": params.name, "batch": b}) for b in every]
        planned.append(StagePlan(probed, units, after=[made]))
    behind = [stage.name for stage in planned if stage.name.startswith(("mitigate:", "probe:"))]
    for name, where in plan.located.items():
        planned += locating(name, where, after=[REGIONS] if fixed else [])
    for name in plan.analyses if plan.analysed else []:
        if name in plan.located:
            continue
        named = [{"analysis": name, "mitigation": mitigation, "batch": b} for mitigation, b in plan.analysed]
        planned.append(StagePlan(f"analyse:{name}", [UnitPlan("analyse", payload) for payload in named], after=behind))
    report = StagePlan("report", [UnitPlan("report", {}, critical=True)], after=[stage.name for stage in planned])
    return [*planned, report]


def locating(name: str, where: Located, after: list[str]) -> list[StagePlan]:
    """Searches for triggers, and the comparison of what they found; nothing where no two images can be compared."""
    if len(where.targets) < 2:
        return []
    parts = range(math.ceil(len(where.targets) / TARGETS_A_SEARCH))
    searches = [
        UnitPlan("search", {"analysis": name, "start": start, "part": part}) for start in where.starts for part in parts
    ]
    compared = [UnitPlan("analyse", {"analysis": name, "mitigation": None, "batch": None})]
    found = f"search:{name}"
    return [StagePlan(found, searches, after=after), StagePlan(f"analyse:{name}", compared, after=[found])]


def resolve(
    workshop: Workshop,
    registration: Registration,
    stored: dict[str, Any],
    request: AuditRequest,
    mitigations: list[Params],
) -> dict[str, Any]:
    """The request with every default filled in: what the numbers of this report stand on."""
    effort = EFFORTS[request.effort]
    return {
        **stored,
        "mitigations": [{**params.model_dump(mode="json"), "id": params.name} for params in mitigations],
        "probes": [_resolved_probe(params, effort.restarts) for params in request.probes],
        "scorers": [{**params.model_dump(mode="json"), "id": params.name} for params in request.scorers],
        "detectors": [{**params.model_dump(mode="json"), "id": params.name} for params in request.detectors],
        "analyses": [{**params.model_dump(mode="json"), "id": params.name} for params in request.analyses],
        "effort": {
            "name": effort.name,
            "evaluation_images": effort.images,
            "hits_to_replicate": effort.hits,
            "looks": list(effort.looks),
            "look_images": effort.look_images,
            "items_per_unit": effort.items_per_unit,
            "neutral_images": effort.neutral_images,
        },
        "sampler": {"kind": "ddim", "steps": registration.steps, "guidance": registration.guidance, "eta": 0.0},
        "bounds": {"drift": DRIFT_BOUND, "controls": CONTROL_BOUND, "threshold": workshop.descriptor.threshold},
        **({"regions": REGION_JUDGING} if any(entry.get("region") for entry in stored.get("targets") or []) else {}),
    }


def _resolved_probe(params: Params, restarts: int) -> dict[str, Any]:
    values = {**params.model_dump(mode="json"), "id": params.name}
    if isinstance(params, AdversarialEmbeddingParams | AdversarialTokensParams):
        values["restarts"] = params.restarts or restarts
    return values


def expected_rows(setting: Setting, batch: Batch, probes: list[Any]) -> int:
    """How many rows a batch will pass through the denoiser if no search stops early."""
    items = len(batch.targets) + max(len(batch.controls), len(batch.targets) if batch.controls else 0)
    drawing = setting.effort.images * setting.sampler.steps * 2
    rows = 0
    for params in probes:
        rows += items * drawing
        if isinstance(params, AdversarialEmbeddingParams | AdversarialTokensParams):
            starts = len(params.starts) * (params.restarts or setting.effort.restarts)
            rows += items * starts * params.steps * params.batch_size
        if isinstance(params, ParaphraseParams):
            rows += items * params.rounds * params.queries * setting.effort.look_images * setting.sampler.steps * 2
    return rows
