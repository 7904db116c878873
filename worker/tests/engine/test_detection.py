"""Thresholds calibrated on neutral scores, and what is flagged."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palimpsest.contract.methods import MagnitudeParams
from worker.engine.detection import calibrate, calibration_prompts, detect, surprise
from worker.engine.detectors import magnitude
from worker.engine.errors import MethodFailed
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


def test_calibration_prompts_are_spread_over_the_list() -> None:
    """Three of seven: places 0, 2 and 4; never more than there are."""
    assert calibration_prompts(list("abcdefg"), 3) == ["a", "c", "e"]
    assert calibration_prompts(list("ab"), 9) == ["a", "b"]


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
