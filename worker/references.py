"""What stands in for the image of a target that came without one, between the ledger's units and the report."""

from collections.abc import Callable

from ledger.audits import UnitResult
from palimpsest.contract.report import Detected, Referenced
from worker.engine.audit import counted
from worker.engine.consensus import Consensus, consensus
from worker.engine.images import png
from worker.engine.records import ReferenceRecord
from worker.engine.setting import Setting
from worker.engine.verdicts import NO_CONSENSUS, NOT_DETECTED
from worker.plan import REFERENCE, Batch, Plan

Keep = Callable[[str, bytes, str], str]


def settled(setting: Setting, batch: Batch, lines: list[Detected], keep: Keep) -> ReferenceRecord:
    """Of every target of the batch without an image; ``lines`` is what the detectors said of the batch.

    The unmitigated model draws what a detector flags. The picture its drawings agree on is kept, and stands in.
    """
    said = {
        spec.id: [line for line in lines if line.role == "target" and line.item_id == spec.id]
        for spec in batch.without_image()
    }
    flagged = {
        spec.id: spec.prompt or "" for spec in batch.without_image() if any(line.flagged for line in said[spec.id])
    }
    with counted(setting) as cost:
        drawn = consensus(setting, flagged) if flagged else {}
    items = [
        agreed_on(name, heard, drawn[name], keep) if name in drawn else nothing(name, silence(heard))
        for name, heard in said.items()
    ]
    return ReferenceRecord(items=items, cost=cost())


def silence(heard: list[Detected]) -> str:
    """Why nothing was drawn: no detector flags the prompt, or one that might have came to nothing."""
    return next((line.reason or "NOT_RUN" for line in heard if line.flagged is None), NOT_DETECTED)


def agreed_on(target_id: str, heard: list[Detected], found: Consensus, keep: Keep) -> Referenced:
    """The line of a target whose prompt was drawn."""
    return Referenced(
        target_id=target_id,
        kind="consensus" if found.found else "none",
        flagged_by=[line.detector for line in heard if line.flagged],
        support=found.support,
        of=found.of,
        agreement=found.agreement,
        picture=keep(f"target/{target_id}/consensus.png", png(found.picture), "image/png") if found.found else None,
        reason=None if found.found else NO_CONSENSUS,
    )


def nothing(target_id: str, reason: str) -> Referenced:
    """The line of a target whose prompt was not drawn."""
    return Referenced(
        target_id=target_id,
        kind="none",
        flagged_by=[],
        support=None,
        of=None,
        agreement=None,
        picture=None,
        reason=reason,
    )


def references_of(plan: Plan, results: list[UnitResult]) -> list[Referenced]:
    """One a target without an image, in order; what was not settled has the code of what stopped its unit."""
    units = {unit.payload["batch"]: unit for unit in results if unit.kind == REFERENCE}
    found: list[Referenced] = []
    for b, batch in enumerate(plan.batches):
        unit = units.get(b)
        if unit is not None and unit.result is not None:
            found += ReferenceRecord.model_validate(unit.result).items
        else:
            code = "NOT_RUN" if unit is None else unit.error or unit.state.upper()
            found += [nothing(spec.id, code) for spec in batch.without_image()]
    return found


def told(found: list[Referenced]) -> list[str]:
    """What such targets limit, in a sentence."""
    if not found:
        return []
    stand_ins = sum(said.picture is not None for said in found)
    return [
        f"{len(found)} target(s) came without an image. For {stand_ins} of them what the unmitigated model draws of "
        "the prompt stands in (reference: consensus): such a verdict is about that picture and never claims a training "
        "image. The others were left out of every mitigation and probe; not_detected says that no detector flags the "
        "prompt, which is not that nothing is memorized."
    ]


def expected_rows(setting: Setting, batch: Batch) -> int:
    """How many rows pass through the denoiser if every prompt is flagged."""
    return len(batch.without_image()) * setting.effort.images * setting.sampler.steps * 2
