"""What detectors say of an audit's prompts, between the ledger's units and the report."""

from ledger.audits import UnitResult
from palimpsest.contract.methods import DetectorParams
from palimpsest.contract.report import Detected, StageCost
from worker.engine import detection
from worker.engine.audit import counted
from worker.engine.detection import Prompted
from worker.engine.errors import MethodFailed
from worker.engine.records import CalibrationRecord, DetectionRecord
from worker.engine.report import plus
from worker.engine.setting import Setting
from worker.plan import Batch, Plan


def prompted(batches: list[Batch]) -> list[Prompted]:
    """Every target that has a prompt, then every control, once however many regions it is judged in."""
    specs = [spec for batch in batches for spec in batch.targets]
    specs += [spec for batch in batches for spec in batch.controls]
    heard = [Prompted(spec.id, spec.role, spec.prompt) for spec in specs if spec.prompt is not None]
    return list(dict.fromkeys(heard))


def heard(setting: Setting, batch: Batch, params: DetectorParams, calibrated: UnitResult) -> DetectionRecord:
    """One detector on the prompts of a batch. Raises MethodFailed where it was not calibrated."""
    if calibrated.result is None:
        raise MethodFailed(f"the detector {params.name} was not calibrated: {calibrated.error}")
    neutral = CalibrationRecord.model_validate(calibrated.result).neutral
    with counted(setting) as cost:
        items = detection.detected(setting, prompted([batch]), params, neutral)
    return DetectionRecord(detector=params.name, items=items, cost=cost())


def detections_of(plan: Plan, results: list[UnitResult], only: list[int] | None = None) -> list[Detected]:
    """One a detector and prompt; what was not heard has the code of what stopped its unit, or its calibration.

    ``only``: of these batches.
    """
    asked = range(len(plan.batches)) if only is None else only
    results = [unit for unit in results if unit.kind == "calibrate" or unit.payload.get("batch") in asked]
    lost = [unit for unit in results if unit.kind in ("calibrate", "detect") and unit.state != "done"]
    codes = {(u.kind, u.payload["detector"], u.payload.get("batch", 0)): u.error or u.state.upper() for u in lost}
    failures = {
        (detector, prompt.role, prompt.item_id): codes.get(("calibrate", detector, 0)) or code
        for (kind, detector, batch), code in codes.items()
        if kind == "detect"
        for prompt in prompted([plan.batches[batch]])
    }
    records = [DetectionRecord.model_validate(u.result) for u in results if u.kind == "detect" and u.state == "done"]
    return detection.every(prompted([plan.batches[b] for b in asked]), plan.detectors, records, failures)


def costs(results: list[UnitResult]) -> dict[str, StageCost]:
    """By stage: calibrate:…, detect:…, reference, regions, search:… and analyse:…"""
    found: dict[str, StageCost] = {}
    for unit in results:
        if (
            unit.kind in ("analyse", "calibrate", "detect", "reference", "regions", "search")
            and unit.result is not None
        ):
            cost = StageCost.model_validate(unit.result["cost"])
            found[unit.stage] = plus(found[unit.stage], cost) if unit.stage in found else cost
    return found
