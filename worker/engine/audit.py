"""The experiment: does the model replicate, before and after each mitigation, from every probe?

    before  = every probe on the unmitigated model, for targets and for controls
    edit    = mitigation(model, targets)
    after   = every probe on model ⊖ edit, for targets and, at the same budget, for controls

``run`` is the whole of it in one process; the workers run the same three functions as units (worker/stations.py).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from safetensors.torch import save

from palimpsest.contract.methods import Params
from palimpsest.contract.report import Replication, SecondJudge, StageCost
from worker.engine.catalogue import MITIGATIONS, PROBES
from worker.engine.edits import JOINT, Edit, Mitigated
from worker.engine.images import png, strip
from worker.engine.items import Answer, Item, Trial
from worker.engine.records import ItemRecord, MitigationRecord, ProbeRecord
from worker.engine.seeds import noise
from worker.engine.setting import Setting

Keep = Callable[[str, bytes, str], str]
DRIFT_BOUND = 0.5


def run(
    setting: Setting,
    targets: list[Item],
    controls: list[Item],
    mitigations: list[Params],
    probes: list[Params],
    keep: Keep,
) -> tuple[list[ProbeRecord], list[MitigationRecord]]:
    """The audit of one batch, start to end."""
    probed = [measure(setting, targets, controls, probes, keep)]
    records = []
    for params in mitigations:
        mitigated, record = mitigate(setting, targets, params)
        records.append(record)
        if mitigated.edit is not None:
            probed.append(measure(setting, targets, controls, probes, keep, params.name, mitigated.edit))
    return probed, records


def measure(
    setting: Setting,
    targets: list[Item],
    controls: list[Item],
    probes: list[Params],
    keep: Keep,
    mitigation: str | None = None,
    edit: Edit | None = None,
) -> ProbeRecord:
    """Every probe on one model, scored by both judges."""
    trials = pair(targets, controls, edit)
    found: list[dict[str, Replication | None]] = [{} for _ in trials]
    with counted(setting) as cost, setting.model.edited(edit):
        for params in probes:
            answers = PROBES[params.kind](setting, trials, params)  # type: ignore[attr-defined]
            for n, (trial, answer, probed) in enumerate(zip(trials, answers, found, strict=True)):
                name = f"{n}/{trial.item.role}/{trial.item.id}/{params.name}"
                probed[params.name] = None if answer is None else judge(setting, trial.item, answer, name, keep)
    items = [
        ItemRecord(item_id=trial.item.id, role=trial.item.role, group=trial.group, probes=probed)
        for trial, probed in zip(trials, found, strict=True)
    ]
    return ProbeRecord(mitigation=mitigation, items=items, cost=cost())


def pair(targets: list[Item], controls: list[Item], edit: Edit | None) -> list[Trial]:
    """Who meets which model. Joint: everybody the same. Per target: each target its own, beside it a control.

    With fewer controls than targets they are used again; with more, every control still meets one target's model.
    """
    if edit is None or edit.joint:
        return [Trial(item, JOINT, None) for item in [*targets, *controls]]
    beside = range(max(len(targets), len(controls)) if controls else 0)
    pairs = [(target, target) for target in targets]
    pairs += [(controls[n % len(controls)], targets[n % len(targets)]) for n in beside]
    return [Trial(item, target.id, edit.index_of(target.id)) for item, target in pairs]


def judge(setting: Setting, item: Item, answer: Answer, name: str, keep: Keep) -> Replication:
    """Both judges' word on one answer; its pictures and embedding are kept as evidence."""
    score = setting.score(answer.pictures, item)
    replicates = setting.replicates(score)
    second = score.second_hits * setting.effort.images >= setting.effort.hits * len(score.distance)
    embedding = None
    if answer.embedding is not None:
        content = save({"y": answer.embedding.contiguous()})
        embedding = keep(f"{name}.safetensors", content, "application/vnd.safetensors")
    return Replication(
        replicates=replicates,
        hits=score.hits,
        any_hit=score.hits > 0,
        mean_score=round(sum(score.similarity) / len(score.similarity), 5),
        max_score=max(score.similarity),
        scores=score.similarity,
        second_judge=SecondJudge(hits=score.second_hits, smallest=min(score.distance), disagrees=second != replicates),
        start=answer.start,
        steps=answer.steps,
        first_step=answer.first_step,
        loss=list(answer.loss),
        images=[keep(f"{name}.png", png(strip(answer.pictures)), "image/png")],
        embedding=embedding,
    )


def mitigate(setting: Setting, targets: list[Item], params: Params) -> tuple[Mitigated, MitigationRecord]:
    """What the mitigation switches off for these targets, and what that does to neutral prompts."""
    with counted(setting) as cost:
        mitigated: Mitigated = MITIGATIONS[params.kind](setting, targets, params)  # type: ignore[attr-defined]
        edit = mitigated.edit
        record = MitigationRecord(
            mitigation=params.name,
            scope=mitigated.scope,
            what=edit.what if edit else "nothing",
            size=edit.size if edit else 0,
            off={group: edit.off(group) for group in edit.groups} if edit else {},
            drift=drift(setting, edit) if edit else {},
            notes=mitigated.notes,
            cost=StageCost(unet_sample_forwards=0, unet_sample_forwards_with_gradient=0, seconds=0.0),
        )
    return mitigated, record.model_copy(update={"cost": cost()})


def drift(setting: Setting, edit: Edit) -> dict[str, list[float]]:
    """1 − similarity to the unmitigated model's picture at equal noise, by group, on neutral prompts."""
    groups = list(edit.groups)
    each = max(1, setting.effort.neutral_images // len(groups))
    prompts = setting.neutral[:: max(1, len(setting.neutral) // each)][:each]
    y = setting.model.encode_prompts(prompts)
    x_T = noise(setting.model.latent_shape, [("drift", i) for i in range(len(prompts))], setting.seed)
    steps, g = setting.sampler.steps, setting.sampler.guidance
    before = setting.descriptor.describe(setting.model.generate(x_T, y, steps=steps, g=g))
    n = len(groups)
    group = torch.arange(n).repeat_interleave(len(prompts))
    with setting.model.edited(edit):
        pictures = setting.model.generate(x_T.repeat(n, 1, 1, 1), y.repeat(n, 1, 1), steps=steps, g=g, group=group)
    near = (setting.descriptor.describe(pictures).unflatten(0, (n, len(prompts))) * before).sum(dim=2)
    return {group: [round(1 - float(s), 5) for s in row] for group, row in zip(groups, near, strict=True)}


@contextmanager
def counted(setting: Setting) -> Iterator[Callable[[], StageCost]]:
    """What the block costs: call the yielded function inside or after it."""
    work, started = setting.model.work, time.perf_counter()
    forwards, with_gradient = work.forwards, work.forwards_with_gradient

    def cost() -> StageCost:
        return StageCost(
            unet_sample_forwards=work.forwards - forwards,
            unet_sample_forwards_with_gradient=work.forwards_with_gradient - with_gradient,
            seconds=round(time.perf_counter() - started, 3),
        )

    yield cost
