"""One method, several triggers."""

import pytest
import torch

from palimpsest.contract.methods import LocalityParams
from worker.engine.locality.sets import expected_iou
from worker.engine.locality.weight_agreement import adjusted, alike, analyse, at_chance
from worker.engine.mitigations import nemo
from worker.engine.setting import Setting
from worker.tests import tiny
from worker.tests.engine.locality.conftest import Make

IMAGES = ["fox", "fox", "kite", "kite"]


def test_whose_triggers_two_are() -> None:
    """On the diagonal everybody is like himself."""
    assert alike(["a", "b", "a"]).tolist() == [[True, False, True], [False, True, False], [True, False, True]]


def test_chance_runs_over_pairs_of_one_image_that_are_not_both_empty() -> None:
    """Sizes 2, 3 (fox) and 0, 0 (kite) among 8: only the fox's pair counts; without any there is none."""
    assert at_chance(8, [2, 3, 0, 0], IMAGES) == pytest.approx(expected_iou(8, 2, 3))
    assert at_chance(8, [0, 0, 0, 0], IMAGES) is None


def test_identical_triggers_agree_completely(setting: Setting, params: LocalityParams, by_hand: Make) -> None:
    """Every trigger is the same embedding: IoU 1 wherever anything is selected, no pair left out, p 1."""
    y = setting.model.encode_prompts(tiny.NEUTRAL[:1]).repeat(4, 1, 1)
    hold_out = nemo.measure_hold_out(setting, params.nemo)
    rows = analyse(setting, by_hand(IMAGES, y, y), hold_out, params)
    assert {(row.method, row.layer) for row in rows} == {
        *(("nemo", path) for path in tiny.VALUE_LAYERS),
        *(("wanda", path) for path in tiny.FEEDFORWARD_LAYERS),
    }
    for row in rows:
        if row.selected:
            assert (row.agreement.same, row.agreement.different, row.empty_unions) == (1, 1, 0)
            assert (row.agreement.value, row.agreement.p, row.p_adjusted) == (0, 1, 1)
        else:
            assert (row.agreement.same, row.empty_unions, row.chance, row.p_adjusted) == (None, 2, None, None)
        assert row.with_empty == 1
    assert any(row.selected for row in rows if row.method == "nemo")


def test_different_triggers_select_differently(setting: Setting, params: LocalityParams, by_hand: Make) -> None:
    """Noise for fox, prompts for kite: pairs counted two and four, agreement below 1 and with its chance beside it."""
    noise = torch.randn(2, 20, 16, generator=torch.Generator().manual_seed(2))
    y = torch.cat([noise, setting.model.encode_prompts(tiny.NEUTRAL[:2])])
    rows = analyse(setting, by_hand(IMAGES, y, y), nemo.measure_hold_out(setting, params.nemo), params)
    for row in (row for row in rows if row.method == "wanda"):
        assert (row.agreement.pairs_same, row.agreement.pairs_different) == (2, 4)
        assert row.agreement.same is not None
        assert 0 < row.agreement.same < 1
        assert row.chance is not None
        assert row.chance < 0.2


def test_p_is_adjusted_over_a_methods_layers(setting: Setting, params: LocalityParams, by_hand: Make) -> None:
    """Three p of 0.01, 0.02 and 0.5 become 0.03, 0.04 and 0.5; a layer without p keeps none and does not count."""
    y = setting.model.encode_prompts(tiny.NEUTRAL[:4])
    some = analyse(setting, by_hand(IMAGES, y, y), nemo.measure_hold_out(setting, params.nemo), params)[:4]
    rows = [
        row.model_copy(update={"layer": str(n), "agreement": row.agreement.model_copy(update={"p": p})})
        for n, (row, p) in enumerate(zip(some, [0.01, 0.02, None, 0.5], strict=True))
    ]
    assert [row.p_adjusted for row in adjusted(rows)] == [0.03, 0.04, None, 0.5]
