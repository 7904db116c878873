"""What analyses say of an audit's mitigations, between the ledger's units and the report."""

from ledger.audits import UnitResult
from palimpsest.contract.methods import Params
from palimpsest.contract.report import Analysed
from worker.engine.audit import counted
from worker.engine.catalogue import ANALYSES
from worker.engine.conditioning import Conditioning
from worker.engine.edits import Edit
from worker.engine.records import AnalysisRecord
from worker.engine.setting import Setting
from worker.plan import Plan


def analysed(setting: Setting, edit: Edit | Conditioning, params: Params) -> AnalysisRecord:
    """One analysis of one edit."""
    with counted(setting) as cost:
        found = ANALYSES[params.kind](setting, edit, params)  # type: ignore[attr-defined]
    return AnalysisRecord(result=found.model_dump(mode="json"), cost=cost())


def analyses_of(plan: Plan, results: list[UnitResult]) -> dict[str, list[Analysed]]:
    """By analysis, one entry an edit, or one of the unmitigated model.

    What was not analysed has the code of what stopped it.
    """
    units = {(u.payload["analysis"], u.payload["mitigation"], u.payload["batch"]): u for u in results if is_one(u)}
    looked_at: dict[str, list[tuple[str | None, int | None]]] = {
        name: [(None, None)] if name in plan.located else list(plan.analysed) for name in plan.analyses
    }
    return {
        name: [entry(plan, name, units.get((name, *which)), *which) for which in places]
        for name, places in looked_at.items()
    }


def is_one(unit: UnitResult) -> bool:
    """Whether the unit was an analysis."""
    return unit.kind == "analyse"


def entry(plan: Plan, name: str, unit: UnitResult | None, mitigation: str | None, batch: int | None) -> Analysed:
    """The report's entry of one unit."""
    whole = plan.located[name].targets if name in plan.located else []
    found = unit.result if unit is not None and unit.state == "done" else None
    lost = "NOT_RUN" if unit is None else unit.error or unit.state.upper()
    return Analysed(
        mitigation=mitigation,
        targets=whole if batch is None else [spec.id for spec in plan.batches[batch].targets],
        result=None if found is None else AnalysisRecord.model_validate(found).result,
        reason=None if found is not None else lost,
    )
