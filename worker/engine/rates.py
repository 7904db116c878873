"""Shares with intervals, and what controls say about a recovery."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from scipy.stats import beta
from scipy.stats import t as student

from palimpsest.contract.report import Rate


def rate(k: int, n: int, confidence: float = 0.95) -> Rate:
    """k of n with its Clopper-Pearson interval; n = 0 gives no value and the interval [0, 1]."""
    tail = (1 - confidence) / 2
    low = 0.0 if k == 0 else float(beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k == n else float(beta.ppf(1 - tail, k + 1, n - k))
    return Rate(value=k / n if n else None, low=low, high=high, k=k, n=n)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean ± t_{0.975, n−1} · s/√n of at least two independent values: Student's, 95 %."""
    n = len(values)
    half = float(student.ppf(0.975, n - 1)) * stdev(values) / math.sqrt(n)
    return fmean(values) - half, fmean(values) + half


def permutation_p(statistic: float, controls: list[float]) -> float:
    """(1 + #{controls ≥ statistic}) / (1 + #controls): how often a control looks at least as recovered."""
    return (1 + sum(control >= statistic for control in controls)) / (1 + len(controls))


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down adjustment, in the order given."""
    m = len(p_values)
    adjusted = [0.0] * m
    running = 0.0
    for rank, i in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (m - rank) * p_values[i]))
        adjusted[i] = running
    return adjusted


def descriptive(targets: int, controls: int, level: float = 0.05) -> bool:
    """True when even a target above every control could not reach ``level`` after Holm: too few controls to test."""
    return targets / (controls + 1) > level
