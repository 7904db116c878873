"""The drawing of the search-step curve, by hand."""

import pytest

from palimpsest.contract.report import Rate, RecoveryPoint
from palimpsest.pages.curve import apart, curves, drawn, y
from palimpsest.tests.example import BOTH, NONE_OF_TWO, ONE_OF_TWO, a_report

UNKNOWN = Rate(value=None, low=0.0, high=1.0, k=0, n=0)


def test_shares_and_steps_have_their_places() -> None:
    """The plot is 140 high from 12 and 308 wide from 40: one half at step 25 of 50 is in the middle of both."""
    assert (y(1.0), y(0.5), y(0.0)) == (12.0, 82.0, 152.0)
    points = [
        RecoveryPoint(step=25, targets=ONE_OF_TWO, controls=NONE_OF_TWO),
        RecoveryPoint(step=50, targets=BOTH, controls=NONE_OF_TWO),
    ]
    curve = drawn("nemo", "search", points)
    assert curve.targets.points == "194.0,82.0 348.0,12.0"
    assert curve.controls.points == "194.0,152.0 348.0,152.0"
    # Above 0.987 → 12 + 0.013·140 = 13.82 and 1 → 12; below, backwards, 0.158 → 12 + 0.842·140 = 129.88 and
    # 0.013 → 150.18.
    assert curve.band == "194.0,13.8 348.0,12.0 348.0,129.9 194.0,150.2"
    assert [(tick.at, tick.text) for tick in curve.steps] == [(40.0, "0"), (194.0, "25"), (348.0, "50")]


def test_what_was_not_measured_is_not_drawn() -> None:
    """A share of none has no point; a search that was not looked at has no curve; step 0 alone divides by nothing."""
    curve = drawn("m", "p", [RecoveryPoint(step=0, targets=UNKNOWN, controls=NONE_OF_TWO)])
    assert (curve.targets.points, curve.band, curve.controls.points) == ("", "", "40.0,152.0")
    summary = [row.model_copy(update={"recovery_curve": {"p": []}}) for row in a_report().summary.mitigations]
    assert curves(summary) == []
    assert [(c.mitigation, c.probe) for c in curves(a_report().summary.mitigations)] == [
        ("none", "adversarial_embedding"),
        ("nemo", "adversarial_embedding"),
    ]


@pytest.mark.parametrize("n", range(1, 60))
def test_the_numbers_of_an_axis_do_not_touch(n: int) -> None:
    """Seven at most, the first and the last among them."""
    steps = list(range(0, 10 * n, 10))
    told = apart(steps)
    assert len(told) <= 7
    assert (told[0], told[-1]) == (steps[0], steps[-1])
