"""Calibrations are kept by what they rest on."""

from dataclasses import replace

import pytest

from palimpsest.contract.methods import DetectorParams, MagnitudeParams, SharpnessParams
from worker.calibrations import Calibrations
from worker.engine.detection import calibrate
from worker.engine.detectors import magnitude
from worker.engine.errors import MethodFailed
from worker.engine.setting import Setting

CHEAP = MagnitudeParams(images=1, steps=1, false_positive_rate=0.2)


def test_a_calibration_is_made_once_and_costs_the_same_again(setting: Setting) -> None:
    """6 neutral prompts of 1 step, two passes each: 12; the second audit, by another id, passes nothing."""
    kept = Calibrations()
    first = kept.get(setting, CHEAP)
    assert first.neutral == magnitude.score(setting, setting.neutral, CHEAP).tolist()
    assert first.threshold == calibrate(first.neutral, 0.2)
    assert first.cost.unet_sample_forwards == 12
    passes = setting.model.work.forwards
    again = kept.get(setting, CHEAP.model_copy(update={"id": "mine"}))
    assert setting.model.work.forwards == passes
    assert again == first.model_copy(update={"detector": "mine"})


def test_what_it_rests_on_makes_another(setting: Setting) -> None:
    """Other noises, other prompts, another model, another rate: five in all, and the oldest leaves when four fit."""
    kept = Calibrations(most=4)
    others: list[tuple[Setting, DetectorParams]] = [
        (setting, CHEAP),
        (replace(setting, seed=1), CHEAP),
        (replace(setting, neutral=setting.neutral[:5]), CHEAP),
        (setting, CHEAP.model_copy(update={"false_positive_rate": 0.4})),
    ]
    records = [kept.get(*each) for each in others]
    assert len({record.model_dump_json(exclude={"cost"}) for record in records}) == 4
    kept.get(setting, SharpnessParams(images=1, false_positive_rate=0.2))
    assert len(kept) == 4
    passes = setting.model.work.forwards
    kept.get(*others[1])
    assert setting.model.work.forwards == passes
    kept.get(*others[0])
    assert setting.model.work.forwards > passes


def test_too_few_neutral_prompts_are_refused_before_any_is_heard(setting: Setting) -> None:
    """6 cannot promise 1 %."""
    passes = setting.model.work.forwards
    with pytest.raises(MethodFailed, match="6 neutral prompts are too few"):
        Calibrations().get(setting, MagnitudeParams())
    assert setting.model.work.forwards == passes
