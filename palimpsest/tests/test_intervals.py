"""Clopper and Pearson's interval, against arithmetic by hand and against its own definition."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palimpsest.intervals import lower, upper


@pytest.mark.parametrize(
    ("n", "bound"),
    [
        (1, 0.975),  # 1 − 0.025
        (2, 0.8418861),  # 1 − √0.025 = 1 − 0.1581139
        (8, 0.3694167),  # 1 − 0.025^(1/8) = 1 − exp(−3.6888795 / 8) = 1 − exp(−0.4611099)
        (59, 0.0606085),  # 1 − exp(−3.6888795 / 59) = 1 − exp(−0.0625234)
        (72, 0.0499440),  # 1 − exp(−0.0512344): the first n whose bound is within 5 %
        (71, 0.0506296),  # 1 − exp(−0.0519560)
    ],
)
def test_none_of_n(n: int, bound: float) -> None:
    """1 − (α/2)^(1/n), log 0.025 = −3.6888795."""
    assert upper(0, n) == pytest.approx(bound, abs=1e-6)
    assert upper(0, n) == pytest.approx(1 - 0.025 ** (1 / n), rel=1e-12)
    assert lower(n, n) == pytest.approx(0.025 ** (1 / n), rel=1e-12)
    assert (lower(0, n), upper(n, n)) == (0.0, 1.0)


def test_one_of_two() -> None:
    """P(X ≤ 1) = 1 − p² = 0.025 at p = √0.975 = 0.9874209; by symmetry 0.0125791 below."""
    assert upper(1, 2) == pytest.approx(0.9874209, abs=1e-7)
    assert lower(1, 2) == pytest.approx(0.0125791, abs=1e-7)


def test_nothing_is_known_of_none() -> None:
    """0 of 0 is anything from 0 to 1; a share beyond its whole is none."""
    assert (lower(0, 0), upper(0, 0)) == (0.0, 1.0)
    for k, n in ((-1, 3), (4, 3)):
        with pytest.raises(ValueError, match="is no share"):
            upper(k, n)
        with pytest.raises(ValueError, match="is no share"):
            lower(k, n)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_its_tails_hold_what_they_are_defined_by(share: tuple[int, int]) -> None:
    """P(X ≤ k) at the upper end and P(X ≥ k) at the lower are 0.025, summed here by exact binomials."""
    k, n = share
    low, high = lower(k, n), upper(k, n)
    assert low <= k / n <= high
    if k < n:
        assert math.fsum(math.comb(n, i) * high**i * (1 - high) ** (n - i) for i in range(k + 1)) == pytest.approx(
            0.025
        )
    if k:
        assert math.fsum(math.comb(n, i) * low**i * (1 - low) ** (n - i) for i in range(k, n + 1)) == pytest.approx(
            0.025
        )
