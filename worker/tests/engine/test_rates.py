"""Intervals and tests, against known values."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.engine.rates import descriptive, holm, interval, permutation_p, rate


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0), (5, 10, 0.1871, 0.8129), (1, 1, 0.025, 1.0), (0, 1, 0.0, 0.975)],
)
def test_clopper_pearson_by_the_tables(k: int, n: int, low: float, high: float) -> None:
    """For 0 of n the upper end is 1 − .025^(1/n): 1 − .025^.1 = .3085; 10 of 10 mirrors it."""
    said = rate(k, n)
    assert (said.value, said.k, said.n) == (k / n, k, n)
    assert said.low == pytest.approx(low, abs=5e-5)
    assert said.high == pytest.approx(high, abs=5e-5)


def test_nothing_seen_is_no_rate() -> None:
    """n = 0: no value, and the interval says nothing."""
    said = rate(0, 0)
    assert (said.value, said.low, said.high) == (None, 0.0, 1.0)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_mirrors(pair: tuple[int, int]) -> None:
    """low ≤ k/n ≤ high, and the interval of n − k is that of k, turned round."""
    k, n = pair
    said, other = rate(k, n), rate(n - k, n)
    assert said.low <= k / n <= said.high
    assert said.low == pytest.approx(1 - other.high)


@pytest.mark.parametrize(
    ("statistic", "controls", "p"),
    [(0.9, [0.1, 0.2, 0.3], 1 / 4), (0.2, [0.1, 0.2, 0.3], 3 / 4), (0.0, [0.1], 1.0), (0.5, [], 1.0)],
)
def test_permutation_p_by_hand(statistic: float, controls: list[float], p: float) -> None:
    """(1 + controls at least as high) / (1 + controls): ties count against, no control proves nothing."""
    assert permutation_p(statistic, controls) == p


def test_holm_by_hand() -> None:
    """.01 · 4, .02 · 3, .03 · 2, .04 · 1 → .04, .06, .06, .06: never below the one before, in the order given."""
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


def test_holm_stops_at_one() -> None:
    """.5 · 3 is 1; nothing at all stays nothing."""
    assert holm([0.5, 0.9, 0.7]) == [1.0, 1.0, 1.0]
    assert holm([]) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_only_raises(p_values: list[float]) -> None:
    """Adjusted p are at least as large, at most Bonferroni's, and sorted as before."""
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p <= q <= min(1.0, p * len(p_values))
    ranked = sorted(range(len(p_values)), key=lambda i: p_values[i])
    assert [adjusted[i] for i in ranked] == sorted(adjusted)


@pytest.mark.parametrize(
    ("targets", "controls", "few"), [(1, 19, False), (1, 18, True), (8, 159, False), (8, 158, True), (1, 0, True)]
)
def test_a_test_needs_twenty_controls_a_target_less_one(targets: int, controls: int, few: bool) -> None:
    """The least p is 1/(C + 1), times m targets by Holm: 8 targets reach 5 % from 159 controls on."""
    assert descriptive(targets, controls) is few


def test_students_interval_by_the_table() -> None:
    """1, 2, 3: mean 2, s = 1, t = 4.303 with two degrees of freedom: ± 4.303/√3; two values: ± 12.706 · s/√2."""
    assert interval([1, 2, 3]) == pytest.approx((2 - 4.30265 / 3**0.5, 2 + 4.30265 / 3**0.5), abs=1e-4)
    assert interval([0, 2]) == pytest.approx((1 - 12.7062, 1 + 12.7062), abs=1e-3)
    assert interval([5, 5, 5]) == (5, 5)
