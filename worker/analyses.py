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
    """By analysis, one entry an edit; what was not analysed has the code of what stopped it."""
    units = {(u.payload["analysis"], u.payload["mitigation"], u.payload["batch"]): u for u in results if is_one(u)}
    return {
        name: [
            entry(plan, units.get((name, mitigation, batch)), mitigation, batch) for mitigation, batch in plan.analysed
        ]
        for name in plan.analyses
    }


def is_one(unit: UnitResult) -> bool:
    """Whether the unit was an analysis."""
    return unit.kind == "analyse"


def entry(plan: Plan, unit: UnitResult | None, mitigation: str, batch: int | None) -> Analysed:
    """The report's entry of one unit."""
    found = unit.result if unit is not None and unit.state == "done" else None
    lost = "NOT_RUN" if unit is None else unit.error or unit.state.upper()
    return Analysed(
        mitigation=mitigation,
        targets=[] if batch is None else [spec.id for spec in plan.batches[batch].targets],
        result=None if found is None else AnalysisRecord.model_validate(found).result,
        reason=None if found is not None else lost,
    )
