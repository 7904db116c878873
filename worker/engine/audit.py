"""The experiment: does the model replicate, before and after each mitigation, from every probe?

    before  = every probe on the unmitigated model, for targets and for controls
    edit    = mitigation(model, targets)          of weights, or what stands in front of the model
    after   = every probe on model ⊖ edit, for targets and, at the same budget, for controls

``run`` is the whole of it in one process; the workers run the same three functions as units (worker/stations.py).
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from palimpsest.contract.methods import ExternalParams, Params
from palimpsest.contract.report import JudgeIdentity, Replication, SecondJudge, StageCost
from worker.engine import recovery
from worker.engine.catalogue import MITIGATIONS, PROBES
from worker.engine.conditioning import Conditioned, Conditioning
from worker.engine.edits import JOINT, Edit, Mitigated
from worker.engine.images import png, strip
from worker.engine.items import Answer, Item, Trial
from worker.engine.mitigations import external
from worker.engine.records import ItemRecord, MitigationRecord, ProbeRecord
from worker.engine.recovery import Recovery
from worker.engine.scorers.sscd import Descriptor
from worker.engine.setting import Score, Setting

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
            kept_as = hashlib.sha256(mitigated.edit.dumps()).hexdigest()
            probed.append(measure(setting, targets, controls, probes, keep, params.name, mitigated.edit, kept_as))
    return probed, records


def measure(
    setting: Setting,
    targets: list[Item],
    controls: list[Item],
    probes: list[Params],
    keep: Keep,
    mitigation: str | None = None,
    edit: Edit | Conditioning | None = None,
    kept_as: str = "",
) -> ProbeRecord:
    """Every probe on one model, scored by both judges. What stands in front of the model is in every probe's loop.

    ``kept_as`` is the digest of the edit's file, which a recovery names.
    """
    under = None if edit is None else kept_as
    trials = pair(targets, controls, edit)
    found: list[dict[str, Replication | None]] = [{} for _ in trials]
    with counted(setting) as cost, setting.under(edit) as mitigated:
        for params in probes if trials else []:
            answers = PROBES[params.kind](mitigated, trials, params)  # type: ignore[attr-defined]
            for n, (trial, answer, probed) in enumerate(zip(trials, answers, found, strict=True)):
                name = f"{n}/{trial.item.role}/{trial.item.id}/{params.name}"
                probed[params.name] = None if answer is None else judge(setting, trial, answer, name, keep, under)
    items = [
        ItemRecord(
            item_id=trial.item.id,
            role=trial.item.role,
            group=trial.group,
            probes=probed,
            region=trial.item.local and trial.item.local.region,
        )
        for trial, probed in zip(trials, found, strict=True)
    ]
    return ProbeRecord(mitigation=mitigation, items=items, cost=cost())


def pair(targets: list[Item], controls: list[Item], edit: Edit | Conditioning | None) -> list[Trial]:
    """Who meets which model. Joint: everybody the same. Per target: each target its own, beside it a control.

    A batch is judged in one region, or as whole images: a control beside a target is judged as the target is.

    With fewer controls than targets they are used again; with more, every control still meets one target's model.
    """
    if edit is None or isinstance(edit, Conditioning) or edit.joint:
        return [Trial(item, JOINT, None) for item in [*targets, *controls]]
    beside = range(max(len(targets), len(controls)) if controls else 0)
    pairs = [(target, target) for target in targets]
    pairs += [(controls[n % len(controls)], targets[n % len(targets)]) for n in beside]
    return [Trial(item, target.id, edit.index_of(target.id)) for item, target in pairs]


def judge(setting: Setting, trial: Trial, answer: Answer, name: str, keep: Keep, under: str | None) -> Replication:
    """Both judges' word on one answer; its pictures, and its embedding with what replays it, are kept as evidence."""
    score = setting.score(answer.pictures, trial.item)
    replicates = setting.replicates(score)
    second = score.second_hits * setting.effort.images >= setting.effort.hits * len(score.distance)
    embedding = None
    if answer.embedding is not None:
        content = recovery.dumps(answer.embedding, recovered(setting, trial, answer, score, under))
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
        text=answer.text,
    )


def recovered(setting: Setting, trial: Trial, answer: Answer, score: Score, under: str | None) -> Recovery:
    """What the answer's pictures were drawn from; ``under`` is the digest of the edit's file, if there was an edit."""
    return Recovery(
        model=setting.model.digest,
        edit=under,
        group=trial.group,
        item=trial.item.id,
        text=answer.text,
        seed=setting.seed,
        noise=list(answer.noise),
        steps=setting.sampler.steps,
        guidance=setting.sampler.guidance,
        judge=setting.descriptor.digest,
        threshold=setting.thresholds(trial.item)[0],
        scores=score.similarity,
        region=trial.item.local and trial.item.local.region,
    )


def judges(descriptor: Descriptor) -> list[JudgeIdentity]:
    """Who judges: the descriptor, and the untrained judge beside it."""
    bound = descriptor.false_positive_bound
    return [
        JudgeIdentity(
            kind="sscd",
            digest=descriptor.digest,
            preprocessing=descriptor.preprocessing,
            threshold=descriptor.threshold,
            false_positive_bound=bound,
        ),
        JudgeIdentity(
            kind="tiled_l2",
            digest="",
            preprocessing="pixels in [0, 1], 4×4 tiles",
            threshold=descriptor.tiled_l2_threshold,
            false_positive_bound=bound,
        ),
    ]


def mitigate(setting: Setting, targets: list[Item], params: Params) -> tuple[Mitigated | Conditioned, MitigationRecord]:
    """What the mitigation switches off for these targets, or puts in front; and what that does to neutral prompts."""
    with counted(setting) as cost:
        mitigated: Mitigated | Conditioned = MITIGATIONS[params.kind](setting, targets, params)  # type: ignore[attr-defined]
        edit = mitigated.edit
        record = MitigationRecord(
            mitigation=params.name,
            scope=mitigated.scope,
            what=edit.what if edit else "nothing",
            size=edit.size if isinstance(edit, Edit) else 0,
            off={group: edit.off(group) for group in edit.groups} if isinstance(edit, Edit) else {},
            drift=drift(setting, edit) if edit else {},
            notes=mitigated.notes,
            cost=StageCost(unet_sample_forwards=0, unet_sample_forwards_with_gradient=0, seconds=0.0),
        )
    return mitigated, record.model_copy(update={"cost": cost()})


def drift(setting: Setting, edit: Edit | Conditioning) -> dict[str, list[float]]:
    """1 − similarity to the unmitigated model's picture at equal noise, by group, on neutral prompts.

    The prompts are dealt out to the groups in turn: P of them tell as much of G models as of one, and no model is
    judged by the prompts of another. With more groups than prompts they are gone through again.
    """
    groups = [JOINT] if isinstance(edit, Conditioning) else list(edit.groups)
    prompts = setting.evenly(setting.effort.neutral_images)
    y = setting.model.encode_prompts(prompts)
    seeds: list[tuple[str | int, ...]] = [("drift", p) for p in range(len(prompts))]
    before = setting.descriptor.describe(setting.pictures(seeds, y, captions=prompts).flatten(0, 1))
    dealt = [n % len(prompts) for n in range(max(len(groups), len(prompts)))]
    group = torch.arange(len(dealt)) % len(groups)
    with setting.under(edit) as mitigated:
        captions = [prompts[p] for p in dealt]
        pictures = mitigated.pictures([seeds[p] for p in dealt], y[dealt], captions=captions, group=group)
    near = (setting.descriptor.describe(pictures.flatten(0, 1)) * before[dealt]).sum(dim=1)
    moved = [round(1 - float(s), 5) for s in near]
    return {name: moved[g :: len(groups)] for g, name in enumerate(groups)}


def elsewhere(
    baseline: Callable[[], Setting], audited: Callable[[], Setting], params: ExternalParams
) -> MitigationRecord:
    """What was made of the baseline elsewhere: how far the model under audit is from it. Either is asked for once."""
    (before, cost_before), (after, cost_after) = _drawn(baseline()), _drawn(audited())
    return MitigationRecord(
        mitigation=params.name,
        scope="joint",
        what=external.ELSEWHERE,
        size=0,
        off={},
        drift=external.drift(before, after),
        notes=[external.note(params)],
        cost=StageCost(
            unet_sample_forwards=cost_before.unet_sample_forwards + cost_after.unet_sample_forwards,
            unet_sample_forwards_with_gradient=0,
            seconds=round(cost_before.seconds + cost_after.seconds, 3),
        ),
    )


def _drawn(setting: Setting) -> tuple[external.Drawn, StageCost]:
    with counted(setting) as cost:
        return external.draw(setting), cost()


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
