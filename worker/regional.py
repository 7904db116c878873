"""How items are judged in regions, between the ledger's units and the report."""

from ledger.audits import UnitResult
from palimpsest.contract.report import LocalJudge
from worker.engine.audit import counted
from worker.engine.records import RegionRecord
from worker.engine.setting import Setting
from worker.engine.thresholds import NEGATIVES, fixed
from worker.job import Job
from worker.plan import ItemSpec, Plan


def fixed_in(job: Job, place: int) -> RegionRecord:
    """The judges of the plan's ``place``-th region."""
    plan = job.plan
    setting, region = job.setting(plan), plan.regions()[place]
    job.lease.expected = expected_rows(setting)
    items = job.pictures(judged_in(plan, place), setting.model.resolution)
    with counted(setting) as cost:
        judges = fixed(setting, items, region)
    return RegionRecord(region=region, items=judges, cost=cost())


def judged_in(plan: Plan, place: int) -> list[ItemSpec]:
    """Its targets, then the controls, each of which is in every region."""
    batches = [batch for batch in plan.batches if batch.targets[0].region == plan.regions()[place]]
    return [spec for batch in batches for spec in batch.targets] + [
        spec for batch in batches for spec in batch.controls
    ]


def regions_of(results: list[UnitResult]) -> list[LocalJudge]:
    """Every judge that was fixed, region by region."""
    units = [unit for unit in results if unit.kind == "regions" and unit.result is not None]
    return [judge for unit in units for judge in RegionRecord.model_validate(unit.result).items]


def told(plan: Plan) -> list[str]:
    """What regions limit, in a sentence."""
    judged = sum(spec.region is not None for spec in plan.targets())
    if not judged:
        return []
    return [
        f"{judged} target(s) are judged in a region: such a verdict says nothing of the rest of the image, and copies "
        "further off than a quarter of the region, or scaled by more than a quarter, are not looked for. Every control "
        "is judged in each region, so it is searched for in each; rates over controls count it once."
    ]


def expected_rows(setting: Setting) -> int:
    """How many rows pass through the denoiser for one region's negatives."""
    return min(NEGATIVES, len(setting.neutral)) * setting.sampler.steps * 2
