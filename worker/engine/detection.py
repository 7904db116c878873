"""Which prompts does a detector flag? Its threshold is calibrated on the model at hand, on prompts of no target.

    p(prompt) = (1 + #{neutral scores ≥ the prompt's}) / (1 + n)         flagged when p ≤ α

A neutral prompt of the same kind as the n is flagged with probability α at most, whatever the scores' distribution;
scores of other detectors and other models are not comparable, p is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from palimpsest.contract.methods import DetectorParams, rank
from palimpsest.contract.report import Detected
from worker.engine.catalogue import DETECTORS
from worker.engine.errors import MethodFailed
from worker.engine.records import DetectionRecord
from worker.engine.setting import Setting


@dataclass(frozen=True)
class Detection:
    """What one detector says of one prompt."""

    score: float
    threshold: float
    p: float
    flagged: bool


@dataclass(frozen=True)
class Prompted:
    """A prompt, and whose it is."""

    item_id: str
    role: str
    text: str


def detect(setting: Setting, prompts: list[str], params: DetectorParams) -> list[Detection]:
    """One detector on every prompt, calibrated on the setting's neutral prompts."""
    return compare(setting, prompts, params, neutral_scores(setting, params))


def neutral_scores(setting: Setting, params: DetectorParams) -> list[float]:
    """What the detector says of the neutral prompts of its calibration; refused before any is heard if too few."""
    prompts = setting.evenly(params.neutral_prompts)
    order(len(prompts), params.false_positive_rate)
    return scores_of(setting, prompts, params)


def compare(setting: Setting, prompts: list[str], params: DetectorParams, neutral: list[float]) -> list[Detection]:
    """One detector on every prompt, against its scores of neutral ones."""
    threshold = calibrate(neutral, params.false_positive_rate)
    return [
        Detection(round(s, 6), round(threshold, 6), round(surprise(s, neutral), 6), s > threshold)
        for s in scores_of(setting, prompts, params)
    ]


def scores_of(setting: Setting, prompts: list[str], params: DetectorParams) -> list[float]:
    """One score a prompt."""
    if not prompts:
        return []
    scores: Tensor = DETECTORS[params.kind](setting, prompts, params)  # type: ignore[attr-defined]
    found: list[float] = scores.tolist()
    return found


def detected(setting: Setting, prompts: list[Prompted], params: DetectorParams, neutral: list[float]) -> list[Detected]:
    """The report's lines of one detector."""
    heard = compare(setting, [prompt.text for prompt in prompts], params, neutral)
    return [
        Detected(
            item_id=prompt.item_id,
            role=prompt.role,
            detector=params.name,
            score=said.score,
            threshold=said.threshold,
            p_value=said.p,
            flagged=said.flagged,
            reason=None,
        )
        for prompt, said in zip(prompts, heard, strict=True)
    ]


def unheard(prompt: Prompted, detector: str, reason: str) -> Detected:
    """The line of a prompt that a detector said nothing of."""
    return Detected(
        item_id=prompt.item_id,
        role=prompt.role,
        detector=detector,
        score=None,
        threshold=None,
        p_value=None,
        flagged=None,
        reason=reason,
    )


def every(
    prompts: list[Prompted],
    detectors: list[str],
    records: list[DetectionRecord],
    failures: dict[tuple[str, str, str], str],
) -> list[Detected]:
    """Every prompt under every detector, in order. ``failures`` by detector, role and item: what stopped it."""
    found = {(record.detector, said.role, said.item_id): said for record in records for said in record.items}

    def lines() -> Iterator[Detected]:
        for detector in detectors:
            for prompt in prompts:
                said = found.get((detector, prompt.role, prompt.item_id))
                yield said or unheard(
                    prompt, detector, failures.get((detector, prompt.role, prompt.item_id), "NOT_RUN")
                )

    return list(lines())


def calibrate(neutral: list[float], alpha: float) -> float:
    """The threshold whose excess is p ≤ α: the ⌊α(n+1)⌋-th largest neutral score. Refused where n is too small."""
    return sorted(neutral, reverse=True)[order(len(neutral), alpha) - 1]


def order(n: int, alpha: float) -> int:
    """⌊α(n+1)⌋. Refused where it is 0."""
    k = rank(alpha, n)
    if k == 0:
        raise MethodFailed(f"{n} neutral prompts are too few to calibrate a false-positive rate of {alpha}")
    return k


def surprise(score: float, neutral: list[float]) -> float:
    """p of one score."""
    return (1 + sum(other >= score for other in neutral)) / (1 + len(neutral))
