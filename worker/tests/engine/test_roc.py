"""Areas and shares on a handful of scores, by hand."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine.roc import Z, _variance, above, auc, curve, tpr_at

SCORES = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=8)


def test_area_by_hand() -> None:
    """
    positives 3, 1 against negatives 2, 0: wins are (3,2), (3,0), (1,0) of 4   →   ¾
    a tie counts half: 1 against 1   →   ½
    """
    assert auc([3, 1], [2, 0]).value == 0.75
    assert auc([1], [1]).value == 0.5


@given(SCORES, SCORES)
def test_area_is_symmetric_and_inside_its_interval(positives: list[float], negatives: list[float]) -> None:
    """θ of one kind against the other is 1 − θ of the other against it, and so are the bounds."""
    one, other = auc(positives, negatives), auc(negatives, positives)
    assert one.value == pytest.approx(1 - other.value)
    assert one.low == pytest.approx(1 - other.high, abs=1e-6)
    assert 0 <= one.low <= one.value <= one.high <= 1


def test_bounds_are_z_standard_errors_away() -> None:
    """|θ̂ − θ| = z·√V(θ) at both ends, V being Hanley and McNeil's with both counts at their mean."""
    area = auc([5, 4, 3, 2, 2], [1, 3, 0, 0])
    for bound in (area.low, area.high):
        assert abs(area.value - bound) == pytest.approx(Z * math.sqrt(_variance(bound, 5, 4)), abs=1e-6)


def test_without_an_error_the_interval_still_has_a_width() -> None:
    """
    32 above 400:  1 − θ = z²·θ·(1 + N(1−θ)/(2−θ) + Nθ/(1+θ))/12800, N = 215   →   θ ≈ 0.968
    """
    area = auc([1.0] * 32, [0.0] * 400)
    assert area.value == area.high == 1
    assert area.low == pytest.approx(0.968, abs=1e-3)


def test_an_area_needs_both_kinds() -> None:
    """Nothing is above nothing."""
    with pytest.raises(ValueError, match="positives and negatives"):
        auc([], [1.0])


def test_share_found_at_a_share_of_false_alarms() -> None:
    """
    200 negatives 1 … 200, two of them may pass: the threshold is 198, strictly
    positives 198, 199, 500   →   2 of 3
    """
    negatives = [float(n) for n in range(1, 201)]
    assert (tpr_at([198, 199, 500], negatives, 0.01).k, tpr_at([198, 199, 500], negatives, 0.01).n) == (2, 3)


def test_with_few_negatives_none_may_pass() -> None:
    """1 % of 20 is less than one: above the largest."""
    assert tpr_at([19, 20, 21], [float(n) for n in range(1, 21)], 0.01).k == 1


def test_above_is_strict() -> None:
    """A score equal to the threshold is not above it."""
    assert above([1, 2, 3], 2).k == 1


@given(SCORES, SCORES)
def test_curve_runs_from_nothing_to_everything(positives: list[float], negatives: list[float]) -> None:
    """Monotone, and the area under its trapezoids is θ."""
    points = curve(positives, negatives)
    assert points[0] == (0, 0)
    assert points[-1] == (1, 1)
    assert points == sorted(points)
    trapezoids = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))
    assert trapezoids == pytest.approx(auc(positives, negatives).value)
