"""The exact interval of a share, for those who have no scipy: Clopper and Pearson, Biometrika 26 (1934), 404.

    P(X ≤ k; n, high) = α/2          P(X ≥ k; n, low) = α/2          X binomial, α = 1 − confidence
    k = 0:  high = 1 − (α/2)^(1/n)   k = n:  low = (α/2)^(1/n)

Both are found by bisection, to the last bit that a float has between 0 and 1.
"""

import math
from collections.abc import Callable

CONFIDENCE = 0.95
HALVINGS = 60


def upper(k: int, n: int, confidence: float = CONFIDENCE) -> float:
    """The upper end of the interval of k of n; 1 where k = n, n = 0 included. Raises ValueError unless 0 ≤ k ≤ n."""
    require_counts(k, n)
    if k == n:
        return 1.0
    tail = (1 - confidence) / 2
    return crossing(lambda p: at_most(k, n, p) > tail)


def lower(k: int, n: int, confidence: float = CONFIDENCE) -> float:
    """The lower end: by symmetry one less the upper end of n − k of n. Raises ValueError unless 0 ≤ k ≤ n."""
    require_counts(k, n)
    return 1 - upper(n - k, n, confidence) if k else 0.0


def at_most(k: int, n: int, p: float) -> float:
    """P(X ≤ k) for X binomial of n and 0 < p < 1."""
    log_odds, log_rest = math.log(p) - math.log1p(-p), n * math.log1p(-p)
    return math.fsum(math.exp(log_choose(n, i) + i * log_odds + log_rest) for i in range(k + 1))


def log_choose(n: int, i: int) -> float:
    """log C(n, i)"""
    return math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1)


def crossing(below: Callable[[float], bool]) -> float:
    """The p in (0, 1) up to which ``below`` holds."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if below(middle) else (low, middle)
    return high


def require_counts(k: int, n: int) -> None:
    """Raise ValueError unless 0 ≤ k ≤ n."""
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is no share")
