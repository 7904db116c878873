"""The experiment in one process, on the tiny model."""

import io
from dataclasses import replace

import pytest
import torch
from PIL import Image
from safetensors.torch import load

from palimpsest.contract.methods import (
    AdversarialEmbeddingParams,
    AttentionRescalingParams,
    NoMitigationParams,
    Params,
    PromptAdjustmentParams,
    PromptParams,
    TokenNoiseParams,
    WandaParams,
)
from worker.engine import audit, catalogue
from worker.engine.conditioning import Conditioning
from worker.engine.edits import JOINT, Edit
from worker.engine.items import Item
from worker.engine.records import ProbeRecord
from worker.engine.setting import Setting
from worker.tests import tiny

PROBES: list[Params] = [PromptParams(), AdversarialEmbeddingParams(steps=1, batch_size=1)]
PER_TARGET = Edit("neurons", {name: {} for name in tiny.TARGETS}, 40)


class Drawer:
    """Keeps evidence in memory, under the names it was given."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[bytes, str]] = {}

    def keep(self, name: str, content: bytes, media_type: str) -> str:
        """The name doubles as the digest; none is used twice."""
        assert name not in self.kept
        self.kept[name] = (content, media_type)
        return name


def items(count: int, role: str) -> list[Item]:
    """So many items of a role."""
    return [Item(f"{role}-{n}", role, "a fox", torch.zeros(3, 32, 32)) for n in range(count)]  # type: ignore[arg-type]


def paired(targets: int, controls: int, edit: Edit | None) -> list[tuple[str, str, int | None]]:
    """Who meets which model, in short."""
    trials = audit.pair(items(targets, "target"), items(controls, "control"), edit)
    return [(trial.item.id, trial.group, trial.index) for trial in trials]


def own(targets: int) -> Edit:
    """One group per target."""
    return Edit("neurons", {f"target-{n}": {} for n in range(targets)}, 0)


@pytest.mark.parametrize("edit", [None, Edit("neurons", {JOINT: {}}, 0)])
def test_one_model_serves_everybody_once(edit: Edit | None) -> None:
    """Unmitigated or jointly mitigated: targets, then controls, each once."""
    assert paired(2, 1, edit) == [("target-0", JOINT, None), ("target-1", JOINT, None), ("control-0", JOINT, None)]


def test_every_target_meets_its_own_model_beside_a_control() -> None:
    """2 targets and 2 controls: control n stands beside target n."""
    assert paired(2, 2, own(2)) == [
        ("target-0", "target-0", 0),
        ("target-1", "target-1", 1),
        ("control-0", "target-0", 0),
        ("control-1", "target-1", 1),
    ]


def test_few_controls_are_used_again() -> None:
    """3 targets and 2 controls: control 0 also stands beside target 2."""
    assert paired(3, 2, own(3))[3:] == [
        ("control-0", "target-0", 0),
        ("control-1", "target-1", 1),
        ("control-0", "target-2", 2),
    ]


def test_many_controls_are_shared_out() -> None:
    """2 targets and 3 controls: control 2 stands beside target 0 again, and none is left out."""
    assert paired(2, 3, own(2))[2:] == [
        ("control-0", "target-0", 0),
        ("control-1", "target-1", 1),
        ("control-2", "target-0", 0),
    ]


def test_without_controls_there_are_none() -> None:
    """Targets alone."""
    assert paired(2, 0, own(2)) == [("target-0", "target-0", 0), ("target-1", "target-1", 1)]


def test_a_measurement_records_every_item_and_keeps_its_evidence(
    setting: Setting, targets: list[Item], controls: list[Item]
) -> None:
    """5 items × 2 probes: a strip of 2 pictures each, an embedding per search; forwards counted."""
    drawer = Drawer()
    record = audit.measure(setting, targets, controls, PROBES, drawer.keep)
    assert record.mitigation is None
    assert [(i.item_id, i.role, i.group) for i in record.items] == [
        *((name, "target", JOINT) for name in tiny.TARGETS),
        *((name, "control", JOINT) for name in tiny.CONTROLS),
    ]
    answers = [answer for i in record.items for answer in i.probes.values() if answer is not None]
    assert len(answers) == 10
    assert not any(answer.replicates for answer in answers)
    assert sorted(drawer.kept) == sorted(
        name for answer in answers for name in [*answer.images, answer.embedding] if name is not None
    )
    assert len(drawer.kept) == 15
    for content, media_type in drawer.kept.values():
        if media_type == "image/png":
            assert Image.open(io.BytesIO(content)).size == (2 * tiny.SIDE, tiny.SIDE)
        else:
            assert load(content)["y"].shape == (20, 16)
    assert record.cost.unet_sample_forwards_with_gradient == 5
    assert record.cost.unet_sample_forwards == 2 * (5 * 2 * 2 * 2)


def test_evidence_names_are_apart_whatever_the_ids(setting: Setting) -> None:
    """Control "a" beside target "b-c" and control "a-b" beside target "c" are two pictures."""
    grey = torch.full((3, 32, 32), 0.5)
    two = [Item(name, "target", "a fox", grey) for name in ("b-c", "c")]
    others = [Item(name, "control", "a fox", grey) for name in ("a", "a-b")]
    drawer = Drawer()
    audit.measure(setting, two, others, [PromptParams()], drawer.keep, "m", Edit("neurons", {"b-c": {}, "c": {}}, 0))
    assert len(drawer.kept) == 4
    assert max(map(len, drawer.kept)) < 200


def test_the_longest_names_fit_the_ledger(setting: Setting) -> None:
    """Ids of 64 letters each: evidence names stay below the 200 of its column."""
    grey = torch.full((3, 32, 32), 0.5)
    target = Item("t" * 64, "target", "a fox", grey)
    drawer = Drawer()
    audit.measure(
        setting, [target], [replace(target, id="c" * 64, role="control")], [PromptParams(id="p" * 64)], drawer.keep
    )
    assert max(map(len, drawer.kept)) <= 200


def test_what_a_probe_cannot_ask_is_left_open(setting: Setting, targets: list[Item]) -> None:
    """Without a caption the prompt's answer is None, the search's is not."""
    record = audit.measure(setting, [replace(targets[0], prompt=None)], [], PROBES, Drawer().keep)
    probes = record.items[0].probes
    assert probes["prompt"] is None
    assert probes["adversarial_embedding"] is not None
    assert probes["adversarial_embedding"].start == "gaussian"


def test_both_judges_are_heard(generous: Setting, targets: list[Item]) -> None:
    """Every picture is the descriptor's copy; a pixel judge that never is (threshold 0) disagrees."""
    never = replace(generous, descriptor=replace(generous.descriptor, tiled_l2_threshold=0.0))
    record = audit.measure(never, targets[:1], [], PROBES[:1], Drawer().keep)
    answer = record.items[0].probes["prompt"]
    assert answer is not None
    assert (answer.replicates, answer.hits, answer.any_hit) == (True, 2, True)
    assert (answer.second_judge.hits, answer.second_judge.disagrees) == (0, True)
    assert answer.max_score == max(answer.scores)
    assert answer.mean_score == pytest.approx(sum(answer.scores) / 2, abs=1e-5)


def test_an_edit_that_takes_nothing_changes_no_answer(
    setting: Setting, targets: list[Item], controls: list[Item]
) -> None:
    """Empty groups, each target on its own: the baseline's scores to 1e-3, from the same noise."""
    before = audit.measure(setting, targets, controls, PROBES, Drawer().keep)
    after = audit.measure(setting, targets, controls, PROBES, Drawer().keep, "m", PER_TARGET)
    assert {i.group for i in after.items} == set(tiny.TARGETS)
    for one, other in zip(before.items, after.items[: len(before.items)], strict=True):
        for probe in one.probes:
            a, b = one.probes[probe], other.probes[probe]
            assert a is not None
            assert b is not None
            assert a.scores == pytest.approx(b.scores, abs=1e-3)


def test_drift_is_nothing_where_nothing_is_off(setting: Setting) -> None:
    """1 − ⟨f, f⟩ = 0 for the empty groups, something for the one that loses all of its value neurons.

    4 neutral images are dealt out to 3 groups: the first gets the fourth as well.
    """
    masks = {path: torch.ones(width, dtype=torch.bool) for path, width in tiny.VALUE_LAYERS.items()}
    drift = audit.drift(setting, Edit("neurons", {"fox": {}, "kite": masks, "bell": {}}, 40))
    assert {name: len(values) for name, values in drift.items()} == {"fox": 2, "kite": 1, "bell": 1}
    assert drift["fox"] == pytest.approx([0.0, 0.0], abs=1e-3)
    assert drift["bell"] == pytest.approx([0.0], abs=1e-3)
    assert drift["kite"][0] > 1e-3


def test_joint_drift_uses_every_neutral_image(setting: Setting) -> None:
    """4 of the 6 neutral prompts."""
    assert len(audit.drift(setting, Edit("neurons", {JOINT: {}}, 40))[JOINT]) == 4


def test_every_group_is_judged_by_a_prompt(setting: Setting) -> None:
    """Nine groups and 4 neutral images: the prompts are gone through again, one each."""
    drift = audit.drift(setting, Edit("neurons", {f"g{n}": {} for n in range(9)}, 40))
    assert [len(values) for values in drift.values()] == [1] * 9


def test_a_mitigations_record_says_what_is_off_and_what_it_cost(setting: Setting, targets: list[Item]) -> None:
    """Wanda over 1 step: targets and base cost 2 · 3 rows each, drift 2 steps of 2 rows for 4 + 4 pictures."""
    mitigated, record = audit.mitigate(setting, targets, WandaParams(sparsity=0.1, timesteps=1))
    assert isinstance(mitigated.edit, Edit)
    assert (record.mitigation, record.scope, record.what, record.size) == ("wanda", "per_target", "weights", 2304)
    assert record.off == {name: mitigated.edit.off(name) for name in tiny.TARGETS}
    assert set(record.drift) == set(tiny.TARGETS)
    assert record.cost.unet_sample_forwards == 2 * 6 + 2 * 2 * (4 + 4)


def test_no_mitigation_is_nothing_to_record(setting: Setting, targets: list[Item]) -> None:
    """No edit, no drift, no cost."""
    mitigated, record = audit.mitigate(setting, targets, NoMitigationParams())
    assert mitigated.edit is None
    assert (record.what, record.size, record.off, record.drift) == ("nothing", 0, {}, {})
    assert record.cost.unet_sample_forwards == 0


def test_the_whole_experiment_in_one_call(setting: Setting, targets: list[Item], controls: list[Item]) -> None:
    """A baseline, then one record per mitigation; the untouched model is not measured twice."""
    drawers = [Drawer() for _ in range(2)]
    mitigations: list[Params] = [NoMitigationParams(), WandaParams(sparsity=0.1, timesteps=1)]

    def run(drawer: Drawer) -> tuple[list[str | None], list[str], list[list[float]]]:
        keep = lambda name, content, media_type: drawer.keep(f"{len(drawer.kept)}:{name}", content, media_type)  # noqa: E731
        probed, mitigated = audit.run(setting, targets[:1], controls[:1], mitigations, PROBES[:1], keep)
        scores = [a.scores for r in probed for i in r.items for a in i.probes.values() if a]
        return [r.mitigation for r in probed], [m.mitigation for m in mitigated], scores

    first, second = (run(drawer) for drawer in drawers)
    assert first == second
    assert first[:2] == ([None, "wanda"], ["none", "wanda"])
    assert [content for content, _ in drawers[0].kept.values()] == [content for content, _ in drawers[1].kept.values()]


IN_FRONT: list[Params] = [
    PromptAdjustmentParams(target=0.2, iterations=2),
    TokenNoiseParams(),
    TokenNoiseParams(id="gaussian", noise="gaussian", strength=1),
    AttentionRescalingParams(c1=2),
]


def scores_of(record: ProbeRecord) -> list[tuple[str, str, list[float], list[float]]]:
    """Every item's answer to every probe, in numbers."""
    return [(i.item_id, p, a.scores, a.loss) for i in record.items for p, a in i.probes.items() if a is not None]


@pytest.mark.parametrize("params", IN_FRONT, ids=lambda params: params.name)
def test_what_stands_in_front_is_in_every_probes_loop(
    setting: Setting, targets: list[Item], controls: list[Item], params: Params
) -> None:
    """Prompt and search answer differently than without it, the search's loss too; again they answer the same."""
    plain = audit.measure(setting, targets[:1], controls[:1], PROBES, Drawer().keep)
    mitigated, record = audit.mitigate(setting, targets[:1], params)
    assert isinstance(mitigated.edit, Conditioning)
    once, again = (
        audit.measure(setting, targets[:1], controls[:1], PROBES, Drawer().keep, params.name, mitigated.edit)
        for _ in range(2)
    )
    assert scores_of(once) == scores_of(again)
    for before, after in zip(scores_of(plain), scores_of(once), strict=True):
        assert before[:2] == after[:2]
        assert before[2] != after[2]
        assert before[3] != after[3] or not before[3]
    assert (record.what, record.scope, record.off, set(record.drift)) == ("inputs", "joint", {}, {JOINT})
    assert sum(record.drift[JOINT]) > 1e-3


@pytest.mark.parametrize("params", IN_FRONT, ids=lambda params: params.name)
def test_bypassing_it_is_the_unmitigated_model(setting: Setting, targets: list[Item], params: Params) -> None:
    """Not to run it, after others have run it: what the baseline measured, bit for bit."""
    baseline = audit.measure(setting, targets[:1], [], PROBES, Drawer().keep)
    mitigated, _ = audit.mitigate(setting, targets[:1], params)
    with setting.under(mitigated.edit) as in_front:
        in_front.model.encode_prompts(["a fox"])
    bypassed = audit.measure(setting, targets[:1], [], PROBES, Drawer().keep)
    assert scores_of(bypassed) == scores_of(baseline)


@pytest.mark.parametrize("params", IN_FRONT, ids=lambda params: params.name)
def test_what_was_kept_stands_in_front_as_before(setting: Setting, targets: list[Item], params: Params) -> None:
    """Written down, read back, and measured with: the same answers."""
    edit = audit.mitigate(setting, targets[:1], params)[0].edit
    assert edit is not None
    kept = catalogue.loads(edit.dumps())
    first, second = (
        audit.measure(setting, targets[:1], [], PROBES[:1], Drawer().keep, params.name, one) for one in (edit, kept)
    )
    assert scores_of(first) == scores_of(second)
    assert kept.dumps() == edit.dumps()


def test_an_edits_bytes_are_not_taken_for_a_conditioning() -> None:
    """Read back as the edit they are."""
    edit = Edit("neurons", {JOINT: {"layer": torch.tensor([True, False])}}, 2)
    assert isinstance(catalogue.loads(edit.dumps()), Edit)


def test_in_the_loop_too_a_trial_does_not_depend_on_its_batch(setting: Setting, targets: list[Item]) -> None:
    """The first target alone, and among three, under noise on its tokens."""
    edit = audit.mitigate(setting, targets, TokenNoiseParams())[0].edit
    alone, among = (
        audit.measure(setting, some, [], PROBES, Drawer().keep, "token_noise", edit) for some in (targets[:1], targets)
    )
    for one, other in zip(scores_of(alone), scores_of(among), strict=False):
        assert one[:2] == other[:2]
        assert one[2] == pytest.approx(other[2], abs=1e-3)
        assert one[3] == pytest.approx(other[3], abs=1e-3)
