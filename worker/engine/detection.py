"""Which prompts does a detector flag? Its threshold is calibrated on the model at hand, on prompts of no target.

    p(prompt) = (1 + #{neutral scores ≥ the prompt's}) / (1 + n)         flagged when p ≤ α

A neutral prompt of the same kind as the n is flagged with probability α at most, whatever the scores' distribution;
scores of other detectors and other models are not comparable, p is.
"""

import math
from dataclasses import dataclass

from torch import Tensor

from palimpsest.contract.methods import DetectorParams
from worker.engine.catalogue import DETECTORS
from worker.engine.errors import MethodFailed
from worker.engine.setting import Setting


@dataclass(frozen=True)
class Detection:
    """What one detector says of one prompt."""

    score: float
    threshold: float
    p: float
    flagged: bool


def detect(setting: Setting, prompts: list[str], params: DetectorParams) -> list[Detection]:
    """One detector on every prompt, calibrated on the setting's neutral prompts."""
    scorer = DETECTORS[params.kind]  # type: ignore[attr-defined]
    neutral = scorer(setting, calibration_prompts(setting.neutral, params.neutral_prompts), params).tolist()
    threshold = calibrate(neutral, params.false_positive_rate)
    scores: Tensor = scorer(setting, prompts, params)
    return [
        Detection(round(s, 6), round(threshold, 6), round(surprise(s, neutral), 6), s > threshold)
        for s in scores.tolist()
    ]


def calibration_prompts(neutral: list[str], most: int) -> list[str]:
    """So many of the neutral prompts at most, evenly spaced."""
    n = min(most, len(neutral))
    return [neutral[i * len(neutral) // n] for i in range(n)]


def calibrate(neutral: list[float], alpha: float) -> float:
    """The threshold whose excess is p ≤ α: the ⌊α(n+1)⌋-th largest neutral score. Refused where n is too small."""
    k = math.floor(alpha * (len(neutral) + 1) + 1e-9)
    if k == 0:
        raise MethodFailed(f"{len(neutral)} neutral prompts are too few to calibrate a false-positive rate of {alpha}")
    return sorted(neutral, reverse=True)[k - 1]


def surprise(score: float, neutral: list[float]) -> float:
    """p of one score."""
    return (1 + sum(other >= score for other in neutral)) / (1 + len(neutral))
