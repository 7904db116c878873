"""Numbers in words."""

from typing import Any

import pytest

from palimpsest.contract.report import Analysed, Drift, Rate, SwitchedOff
from palimpsest.pages.figures import DASH, compared, drift, number, percent, share, switched_off, table
from palimpsest.tests.example import ONE_OF_TWO, a_report


def test_a_share_has_its_counts_and_its_interval() -> None:
    """0.5 of two, 0.013 to 0.987: a bar from 1.3 to 98.7 of a hundred, which is 97.4 wide."""
    told = share(ONE_OF_TWO)
    assert told is not None
    assert (told.value, told.counts, told.interval) == ("50 %", "1 of 2", "1–99 %")
    assert (told.low, told.width, told.at) == (1.3, 97.4, 50.0)


def test_what_was_not_measured_is_no_share() -> None:
    """Neither a probe that was not asked nor a share of none."""
    assert share(None) is None
    assert share(Rate(value=None, low=0.0, high=1.0, k=0, n=0)) is None


@pytest.mark.parametrize(("value", "told"), [(0.0, "0 %"), (1.0, "100 %"), (0.875, "88 %"), (0.0035, "0.35 %")])
def test_percent(value: float, told: str) -> None:
    """Whole ones, but what is small is not told as nothing."""
    assert percent(value) == told


def test_a_mitigation_says_what_it_took_and_what_that_did() -> None:
    """A drift past its bound is called that, in words and not in colour only."""
    assert switched_off(SwitchedOff(what="weights", count=1234.0, of=10_000, share=0.1234)) == "12 % (1,234 weights)"
    assert switched_off(SwitchedOff(what="weights", count=42_801.5, of=305_725, share=0.14)) == "14 % (42,802 weights)"
    assert drift(Drift(value=0.6, n=16, bound=0.5, degraded=True)) == "0.600, beyond the bound 0.5 (n = 16)"
    assert (switched_off(None), drift(None)) == (DASH, DASH)
    none, nemo = (compared(row, ["adversarial_embedding", "unasked"]) for row in a_report().summary.mitigations)
    assert (none.scope, nemo.scope) == ("", "per target")
    searched = [None if rate is None else rate.counts for rate in nemo.searched]
    assert searched == ["1 of 2", "0 of 2", None, None]


def test_verdicts_are_counted_the_gravest_first() -> None:
    """And none that was not given."""
    counts = {"not_recovered": 1, "inconclusive": 0, "concealed": 2}
    row = a_report().summary.mitigations[1].model_copy(update={"counts": counts})
    assert list(compared(row, []).counts.items()) == [("concealed", 2), ("not_recovered", 1)]


def test_an_analysis_is_a_table_whatever_its_fields() -> None:
    """Means with interval and n, distances beside their null, what is nested behind a point, what is missing a dash."""
    one: dict[str, Any] = {
        "drift": {"value": 0.05, "low": 0.04, "high": 0.06, "n": 16},
        "frechet": {"value": 0.2, "null": 0.1},
        "fid": None,
        "bounds": {"drift": 0.5},
        "passed": [],
        "layers": [{"name": "a"}, {"name": "b"}],
        "degraded": False,
    }
    two = {"drift": {"value": 0.5, "low": None, "high": None, "n": 1}, "seeds": 4}
    found = table(
        "utility",
        [
            Analysed(mitigation="nemo", targets=[], result=one, reason=None),
            Analysed(mitigation="wanda", targets=["owl", "fox"], result=two, reason=None),
            Analysed(mitigation="esd", targets=[], result=None, reason="METHOD_FAILED"),
            Analysed(mitigation=None, targets=["owl"], result=None, reason="NO_TRIGGERS"),
        ],
    )
    assert found.columns == ["nemo", "wanda (owl, fox)"]
    assert dict(found.rows) == {
        "drift": ["0.05 (0.04–0.06), n = 16", "0.5, n = 1"],
        "frechet": ["0.2 (unchanged model: 0.1)", DASH],
        "fid": [DASH, DASH],
        "bounds.drift": ["0.5", DASH],
        "passed": ["none", DASH],
        "layers": ["2 entries, which are in the report itself", DASH],
        "degraded": ["no", DASH],
        "seeds": [DASH, "4"],
    }
    assert found.failed == [("esd", "METHOD_FAILED"), ("unmitigated model (owl)", "NO_TRIGGERS")]


def test_numbers() -> None:
    """Whole ones whole, fractions with four digits, words as they are."""
    assert [number(each) for each in (3, 0.123456, None, True, "word")] == ["3", "0.1235", DASH, "yes", "word"]


def test_an_analysis_of_the_model_as_it_was_is_a_column_too() -> None:
    """Locality is of no mitigation."""
    before = Analysed(mitigation=None, targets=["owl"], result={"pairs": 6}, reason=None)
    assert table("locality", [before]).columns == ["unmitigated model (owl)"]
