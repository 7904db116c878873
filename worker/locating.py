"""Where is a memory? Searches and comparison of the analysis ``locality``, as units between ledger and engine."""

from collections.abc import Callable

from ledger.audits import UnitResult
from palimpsest.contract.methods import LocalityParams
from worker.engine.audit import counted
from worker.engine.errors import MethodFailed
from worker.engine.figures.drawing import png
from worker.engine.items import Item
from worker.engine.locality import analysis, picture, triggers
from worker.engine.locality.triggers import Triggers
from worker.engine.records import AnalysisRecord, TriggerRecord
from worker.engine.setting import Setting
from worker.plan import TARGETS_A_SEARCH, ItemSpec, Plan

Keep = Callable[[str, bytes, str], str]


def targets(plan: Plan, params: LocalityParams) -> list[ItemSpec]:
    """Those that are located, in order."""
    ids = set(plan.located[params.name].targets)
    return [spec for spec in plan.targets() if spec.id in ids]


def part(plan: Plan, params: LocalityParams, n: int) -> list[ItemSpec]:
    """The targets of the n-th unit of searches."""
    return targets(plan, params)[n * TARGETS_A_SEARCH : (n + 1) * TARGETS_A_SEARCH]


def captions(plan: Plan, params: LocalityParams) -> list[str]:
    """Of the targets that have one."""
    return [spec.prompt for spec in targets(plan, params) if spec.prompt is not None]


def sought(setting: Setting, items: list[Item], start: str, params: LocalityParams, keep: Keep) -> TriggerRecord:
    """Triggers of these items from one kind of start; those found are kept."""
    with counted(setting) as cost:
        found = triggers.search(setting, items, start, params)
    name = f"triggers/{start}.safetensors"
    file = keep(name, triggers.dumps(found), "application/vnd.safetensors") if found.found else None
    return TriggerRecord(start=start, images=found.images, tried=found.tried, file=file, cost=cost())


def located(
    setting: Setting,
    units: list[UnitResult],
    captions: list[str],
    params: LocalityParams,
    get: Callable[[str], bytes],
    keep: Keep,
) -> AnalysisRecord:
    """The three indications, with their figures kept. Raises MethodFailed where a search is missing."""
    lost = next((unit.error or unit.state.upper() for unit in units if unit.result is None), None)
    if lost is not None:
        raise MethodFailed(f"a search for triggers came to nothing: {lost}")
    records = [TriggerRecord.model_validate(unit.result) for unit in units]
    found = [triggers.joined([read(r, get) for r in records if r.start == start]) for start in params.starts]
    with counted(setting) as cost:
        said = analysis.compare(setting, found, captions, params)
    figures = {name: keep(f"{name}.png", png(drawing), "image/png") for name, drawing in picture.figures(said).items()}
    return AnalysisRecord(result={**said.model_dump(mode="json"), "figures": figures}, cost=cost())


def read(record: TriggerRecord, get: Callable[[str], bytes]) -> Triggers:
    """The triggers of one unit of searches."""
    if record.file is None:
        return triggers.none_of(record.start, record.tried)
    return triggers.loads(get(record.file), record.start, record.images, record.tried)


def expected_rows(setting: Setting, few: list[ItemSpec], params: LocalityParams) -> int:
    """How many rows the searches of one unit pass through the denoiser, pictures of what they found among them."""
    drawing = setting.effort.images * setting.sampler.steps * 2
    return len(few) * params.triggers * (params.steps * params.batch_size + drawing)
