"""Verdicts without a service."""

import pytest

from palimpsest.contract.methods import Params
from palimpsest.contract.report import Replication, SecondJudge, StageCost
from worker.canaries import local
from worker.engine.edits import JOINT
from worker.engine.items import Item
from worker.engine.mitigations import external
from worker.engine.records import ItemRecord, ProbeRecord
from worker.engine.setting import Setting

PROBES = local.default_probes()
PROMPT, SEARCH = (params.name for params in PROBES)


def test_the_default_probes_are_those_of_a_request() -> None:
    """The caption and a search from it."""
    assert (PROMPT, SEARCH) == ("prompt", "adversarial_embedding")


def test_a_model_that_replicates_nothing_remembers_nothing(
    setting: Setting, targets: list[Item], controls: list[Item]
) -> None:
    """By caption and by a search of one step."""
    probes: list[Params] = [PROBES[0], PROBES[1].model_copy(update={"steps": 1})]
    verdicts = local.audited(setting, targets, controls, probes)
    assert [v.target_id for v in verdicts] == ["fox", "kite", "bell"]
    assert {v.verdict for v in verdicts} == {"not_memorized"}


def test_batches_change_nothing(
    setting: Setting, targets: list[Item], controls: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two items at a time: every item once, in order, with the answers it has among all five."""
    [whole] = local.measured(setting, targets, controls, PROBES[:1])
    monkeypatch.setattr(local, "BATCH", 2)
    parts = list(local.measured(setting, targets, controls, PROBES[:1]))
    assert [len(part.items) for part in parts] == [2, 2, 1]
    found = [item for part in parts for item in part.items]
    assert [(item.item_id, item.role) for item in found] == [(item.item_id, item.role) for item in whole.items]
    for mine, theirs in zip(found, whole.items, strict=True):
        one, other = mine.probes[PROMPT], theirs.probes[PROMPT]
        assert one is not None
        assert other is not None
        assert one.mean_score == pytest.approx(other.mean_score, abs=1e-4)


def said(*, prompt: bool, search: bool, item: str, role: str) -> ItemRecord:
    """One item's answers on one model."""

    def answer(replicates: bool) -> Replication:
        return Replication(
            replicates=replicates, hits=0, any_hit=replicates, mean_score=0.9 if replicates else 0.1, max_score=0.9,
            scores=[], second_judge=SecondJudge(hits=0, smallest=1.0, disagrees=False), start=None, steps=None,
            first_step=None, loss=[], images=[], embedding=None, text=None,
        )  # fmt: skip

    return ItemRecord(item_id=item, role=role, group=JOINT, probes={PROMPT: answer(prompt), SEARCH: answer(search)})


def record(mitigation: str | None, **targets: tuple[bool, bool]) -> ProbeRecord:
    """Some targets' answers and those of fifty silent controls."""
    free = StageCost(unet_sample_forwards=0, unet_sample_forwards_with_gradient=0, seconds=0.0)
    items = [said(prompt=p, search=s, item=name, role="target") for name, (p, s) in targets.items()]
    items += [said(prompt=False, search=False, item=f"control-{n}", role="control") for n in range(50)]
    return ProbeRecord(mitigation=mitigation, items=items, cost=free)


def test_a_model_mitigated_elsewhere_is_judged_beside_its_baseline() -> None:
    """
    Before: both are drawn and found, c is neither. After: a by search only, b by nothing.

    concealed, not recovered, and c was never memorized
    """
    before = record(None, a=(True, True), b=(True, True), c=(False, False))
    after = record("elsewhere", a=(False, True), b=(False, False), c=(False, False))
    mitigated = local.untouched().model_copy(update={"mitigation": "elsewhere", "what": "external"})
    controls = [f"control-{n}" for n in range(50)]
    verdicts = local.judged([before, after], mitigated, ["a", "b", "c"], controls, PROBES)
    assert [v.verdict for v in verdicts] == ["concealed", "not_recovered", "not_memorized"]


def test_the_distance_to_the_baseline_is_measured(setting: Setting) -> None:
    """A model beside itself: no drift, on every neutral prompt of the effort."""
    record = local.elsewhere(setting, setting.model, "same")
    assert (record.mitigation, record.scope, record.what) == ("same", "joint", external.ELSEWHERE)
    assert record.drift[JOINT] == pytest.approx([0.0] * 4, abs=1e-4)
