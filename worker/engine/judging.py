"""From cells to verdicts: one word for every target under every mitigation, with the controls beside it."""

from palimpsest.contract.report import (
    WHOLE,
    Before,
    ControlEvidence,
    Rectangle,
    Referenced,
    Replication,
    Scope,
    Verdict,
)
from palimpsest.contract.request import Region
from worker.engine.cells import Cells
from worker.engine.findings import Findings, adversarial_probes, after_of, prompt_probe, recoveries
from worker.engine.rates import descriptive, holm, permutation_p, rate
from worker.engine.records import ItemRecord
from worker.engine.verdicts import NO_CONSENSUS, NO_PROMPT, NOT_DETECTED, Seen, judge


def verdicts_of(findings: Findings, cells: Cells, mitigation: str) -> list[Verdict]:
    """One verdict per target, Holm's adjustment running over the targets."""
    evidence = {p: control_evidence(findings, cells, mitigation, p) for p in recoveries(findings, mitigation)}
    return [
        verdict_of(
            findings, cells, mitigation, target_id, {p: by_target[target_id] for p, by_target in evidence.items()}
        )
        for target_id in findings.targets
    ]


def control_evidence(findings: Findings, cells: Cells, mitigation: str, probe: str) -> dict[str, ControlEvidence]:
    """What the controls say beside every target: their rate, and how unusual the target is among them.

    Controls are those that were judged as the target is: in its region, or as whole images.
    """
    after = after_of(mitigation, findings)
    p: dict[str, float] = {}
    seen = {
        region: cells.controls(after, probe, region)
        for region in dict.fromkeys(map(findings.scopes.get, findings.targets))
    }
    beside = {target_id: seen[findings.scopes.get(target_id)] for target_id in findings.targets}
    for target_id, controls in beside.items():
        target = cells.target(after, target_id)
        answer = target.probes.get(probe) if target else None
        if answer is not None and controls:
            p[target_id] = permutation_p(answer.mean_score, [control.mean_score for control in controls])
    adjusted = dict(zip(p, holm(list(p.values())), strict=True))
    return {
        t: ControlEvidence(
            rate=rate(sum(control.replicates for control in beside[t]), len(beside[t])),
            p_value=None if t not in p else round(p[t], 6),
            p_adjusted=None if t not in p else round(adjusted[t], 6),
            descriptive=descriptive(len(findings.targets), len(beside[t])),
        )
        for t in findings.targets
    }


def verdict_of(
    findings: Findings, cells: Cells, mitigation: str, target_id: str, controls: dict[str, ControlEvidence]
) -> Verdict:
    """One target under one mitigation."""
    stand_in = next((r for r in findings.references if r.target_id == target_id), None)
    if stand_in is not None and stand_in.picture is None:
        return without_reference(stand_in, mitigation)
    after_name, prompt, region = after_of(mitigation, findings), prompt_probe(findings), findings.scopes.get(target_id)
    before, after = cells.target(None, target_id), cells.target(after_name, target_id)
    searches, means = adversarial_probes(findings), recoveries(findings, mitigation)
    group = after.group if after else None
    missing = [gap for what in (None, after_name) for gap in gaps_of(cells, what, target_id, searches)]
    word, reasons = judge(
        Seen(
            consensus=stand_in is not None,
            prompt_before=replicated(before, prompt),
            recoverable={p: bool(replicated(before, p)) for p in searches},
            prompt_after=replicated(after, prompt),
            recovered={p: bool(replicated(after, p)) for p in means},
            controls_before={p: cells.controls_replicate(None, p, region, None) for p in searches},
            controls_after={p: cells.controls_replicate(after_name, p, region, group) for p in means},
            degraded=degraded(findings, mitigation, group),
            missing=sorted(set(missing)),
            powerless=powerless(findings, target_id),
        )
    )
    return Verdict(
        target_id=target_id,
        mitigation=mitigation,
        verdict=word,
        reference="image" if stand_in is None else "consensus",
        scope=scope_of(region),
        before=Before(prompt=answer_of(before, prompt), adversarial=answers_of(before, searches)),
        prompt=answer_of(after, prompt),
        adversarial=answers_of(after, means),
        controls=controls,
        reasons=[*reasons, NO_PROMPT] if prompt and target_id in findings.without_prompt else reasons,
    )


def without_reference(stand_in: Referenced, mitigation: str) -> Verdict:
    """A target without an image for which nothing stands in: there is nothing to compare pictures with."""
    drawn = f"the model's drawings do not agree: {stand_in.support} of {stand_in.of} others are copies of their medoid"
    unflagged = stand_in.reason == NOT_DETECTED
    return Verdict(
        target_id=stand_in.target_id,
        mitigation=mitigation,
        verdict="not_detected" if unflagged else "inconclusive",
        reference="none",
        before=Before(prompt=None, adversarial={}),
        prompt=None,
        adversarial={},
        controls={},
        reasons=[]
        if unflagged
        else [drawn if stand_in.reason == NO_CONSENSUS else f"missing: reference: {stand_in.reason}"],
    )


def scope_of(region: Region | None) -> Scope:
    """What of the reference a verdict is about."""
    return WHOLE if region is None else Scope(kind="region", region=Rectangle(**region.model_dump()))


def powerless(findings: Findings, target_id: str) -> bool:
    """Whether the target is judged in a region where not even the reference's reconstruction would be a copy."""
    mine = [judge for judge in findings.regions if (judge.role, judge.item_id) == ("target", target_id)]
    return any(not judge.has_power for judge in mine)


def gaps_of(cells: Cells, mitigation: str | None, target_id: str, searches: list[str]) -> list[str]:
    """What was not seen of a target on one model: the whole unit, with its code, or a search that gave no answer."""
    where, found = mitigation or "before", cells.target(mitigation, target_id)
    if found is None:
        return [f"{where}: {cells.missing.get((mitigation, target_id), 'NOT_RUN')}"]
    return [f"{where}: {probe} gave no answer" for probe in searches if found.probes.get(probe) is None]


def answer_of(item: ItemRecord | None, probe: str | None) -> Replication | None:
    """What one probe saw of an item, if it was asked."""
    return None if item is None or probe is None else item.probes.get(probe)


def answers_of(item: ItemRecord | None, probes: list[str]) -> dict[str, Replication]:
    """What the searches saw of an item."""
    found = {p: answer_of(item, p) for p in probes}
    return {p: answer for p, answer in found.items() if answer is not None}


def replicated(item: ItemRecord | None, probe: str | None) -> bool | None:
    """Whether a probe brought the item back; None where it was not asked."""
    answer = answer_of(item, probe)
    return None if answer is None else answer.replicates


def degraded(findings: Findings, mitigation: str, group: str | None) -> bool:
    """Whether the model this group meets has drifted past the bound."""
    drifts = [
        value
        for record in findings.mitigated
        if record.mitigation == mitigation
        for name, values in record.drift.items()
        if group is None or name == group
        for value in values
    ]
    return bool(drifts) and sum(drifts) / len(drifts) > findings.drift_bound
