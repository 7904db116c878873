"""How well a score tells two kinds apart: ROC, its area, and the share found at a small share of false alarms.

Positives are memorized, and a higher score says so. Intervals are 95 %.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from palimpsest.contract.report import Rate
from worker.engine.rates import rate

Z = 1.959964


@dataclass(frozen=True)
class Area:
    """Area under the ROC with its interval."""

    value: float
    low: float
    high: float


def auc(positives: Sequence[float], negatives: Sequence[float]) -> Area:
    """θ = P(positive > negative) + ½ P(equal), with Newcombe's score interval (2006, method 5).

    V(θ) = θ(1−θ)·[1 + N·(1−θ)/(2−θ) + N·θ/(1+θ)]/(mn),  N = (m+n)/2 − 1;  bounds solve |θ̂ − θ| = z·√V(θ).
    Unlike the bootstrap it is not of width 0 when the kinds are told apart without an error. Neither kind may be empty.
    """
    m, n = len(positives), len(negatives)
    if not m or not n:
        raise ValueError("an area needs positives and negatives")
    wins = sum((p > q) + 0.5 * (p == q) for p in positives for q in negatives)
    theta = wins / (m * n)
    return Area(theta, _bound(theta, 0.0, m, n), _bound(theta, 1.0, m, n))


def _bound(theta: float, end: float, m: int, n: int) -> float:
    """The value between θ̂ and ``end`` at which θ̂ is z standard errors away, by bisection."""
    near, far = theta, end
    for _ in range(60):
        middle = (near + far) / 2
        if abs(theta - middle) <= Z * math.sqrt(_variance(middle, m, n)):
            near = middle
        else:
            far = middle
    return (near + far) / 2


def _variance(theta: float, m: int, n: int) -> float:
    """V(θ)."""
    N = (m + n) / 2 - 1
    return theta * (1 - theta) * (1 + N * (1 - theta) / (2 - theta) + N * theta / (1 + theta)) / (m * n)


def tpr_at(positives: Sequence[float], negatives: Sequence[float], fpr: float) -> Rate:
    """The share of positives above the lowest threshold that at most a share ``fpr`` of the negatives exceed."""
    allowed = math.floor(fpr * len(negatives) + 1e-9)
    threshold = sorted(negatives, reverse=True)[allowed] if allowed < len(negatives) else -math.inf
    return above(positives, threshold)


def above(scores: Sequence[float], threshold: float) -> Rate:
    """The share of scores above a threshold fixed elsewhere, with its Clopper-Pearson interval."""
    return rate(sum(score > threshold for score in scores), len(scores))


def curve(positives: Sequence[float], negatives: Sequence[float]) -> list[tuple[float, float]]:
    """(FPR, TPR) at every threshold that is one of the scores, from (0, 0) to (1, 1)."""
    thresholds = sorted({*positives, *negatives}, reverse=True)
    points = [(0.0, 0.0)]
    for threshold in thresholds:
        points.append(
            (
                sum(score >= threshold for score in negatives) / len(negatives),
                sum(score >= threshold for score in positives) / len(positives),
            )
        )
    return points
