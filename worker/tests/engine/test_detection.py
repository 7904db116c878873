"""Thresholds calibrated on neutral scores, and what is flagged."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palimpsest.contract.methods import MagnitudeParams
from palimpsest.contract.report import StageCost
from worker.engine.detection import Prompted, calibrate, detect, detected, every, surprise
from worker.engine.detectors import magnitude
from worker.engine.errors import MethodFailed
from worker.engine.records import DetectionRecord
from worker.engine.setting import Setting
from worker.tests import tiny

CHEAP = MagnitudeParams(images=1, steps=1, false_positive_rate=0.2)


def test_threshold_by_hand() -> None:
    """
    199 neutral scores 1 … 199 and α = 0.01: k = ⌊0.01 · 200⌋ = 2, the second largest is 198
    199 is above it: p = (1 + 1)/200 = 0.01;  198 is not: p = (1 + 2)/200
    """
    neutral = [float(n) for n in range(1, 200)]
    assert calibrate(neutral, 0.01) == 198
    assert (surprise(199, neutral), surprise(198, neutral)) == (0.01, 0.015)


@given(st.lists(st.integers(0, 9).map(float), min_size=4, max_size=40), st.integers(0, 10).map(float))
def test_flagged_is_p_of_alpha_at_most(neutral: list[float], score: float) -> None:
    """Two ways to say the same, ties included."""
    assert (score > calibrate(neutral, 0.2)) is (surprise(score, neutral) <= 0.2 + 1e-12)


def test_too_few_neutral_prompts_are_refused() -> None:
    """No threshold on 98 scores can promise 1 %; on 99 the largest does."""
    assert calibrate([float(n) for n in range(99)], 0.01) == 98
    with pytest.raises(MethodFailed, match="98 neutral prompts are too few"):
        calibrate([0.0] * 98, 0.01)


def test_a_prompt_louder_than_every_neutral_one_is_flagged(setting: Setting) -> None:
    """The loudest of the tiny model's prompts against the others, and the others against it."""
    prompts = [*tiny.TARGETS.values(), *tiny.NEUTRAL]
    scores = magnitude.score(setting, prompts, CHEAP)
    loudest = prompts[int(scores.argmax())]
    others = [prompt for prompt in prompts if prompt != loudest]
    [found] = detect(replace(setting, neutral=others), [loudest], CHEAP)
    assert found.flagged
    assert found.p == pytest.approx(1 / (1 + len(others)), abs=1e-6)
    assert found.score > found.threshold
    quiet = detect(replace(setting, neutral=[loudest] * 9), others, CHEAP)
    assert not any(detection.flagged for detection in quiet)


def test_every_prompt_has_a_line_under_every_detector(setting: Setting) -> None:
    """Two prompts, two detectors: what was heard, what failed with its code, and what never ran."""
    fox, lamp = Prompted("same", "target", "a fox"), Prompted("same", "control", "a lamp")
    nothing = StageCost(unet_sample_forwards=0, unet_sample_forwards_with_gradient=0, seconds=0)
    heard = detected(setting, [fox], CHEAP, [0.0] * 9)
    record = DetectionRecord(detector="magnitude", items=heard, cost=nothing)
    lines = every([fox, lamp], ["magnitude", "m2"], [record], {("m2", "control", "same"): "METHOD_FAILED"})
    assert [(line.detector, line.role, line.flagged, line.reason) for line in lines] == [
        ("magnitude", "target", True, None),
        ("magnitude", "control", None, "NOT_RUN"),
        ("m2", "target", None, "NOT_RUN"),
        ("m2", "control", None, "METHOD_FAILED"),
    ]
    assert (lines[0].p_value, lines[0].threshold) == (0.1, 0.0)


def test_no_prompt_is_no_line(setting: Setting) -> None:
    """Items without a caption leave a detector nothing to hear."""
    assert detected(setting, [], CHEAP, [0.0] * 9) == []
