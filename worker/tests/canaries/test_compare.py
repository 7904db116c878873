"""Verdicts against the truth, by hand."""

import math

import pytest

from palimpsest.contract.verdicts import VERDICTS
from worker.canaries import compare
from worker.canaries.truth import Truth


def a_truth(**copies: int) -> Truth:
    """A model of which nothing else is of interest."""
    return Truth(id="m", model="", baseline="", recipe={}, copies=copies, seen={})


def test_every_verdict_accuses_clears_or_leaves_open() -> None:
    """One of the three, whatever words there are: what neither clears nor leaves open accuses."""
    for word in VERDICTS:
        assert [compare.is_accused(word), compare.is_cleared(word), compare.is_open(word)].count(True) == 1
    assert [word for word in VERDICTS if compare.is_accused(word)] == [
        "still_replicates",
        "concealed",
        "not_recovered",
    ]


def test_one_model_by_hand() -> None:
    """
    Never planted: a is called concealed, b not memorized, c inconclusive: 1 of 3 false, 1 of 3 open.
    One copy: d and e are missed. Sixteen: f is found, g has no verdict and counts as inconclusive.
    """
    truth = a_truth(a=0, b=0, c=0, d=1, e=1, f=16, g=16)
    words = {
        "a": "concealed",
        "b": "not_memorized",
        "c": "inconclusive",
        "d": "not_memorized",
        "e": "not_memorized",
        "f": "still_replicates",
    }
    found = compare.compare([(truth, words)])  # type: ignore[list-item]
    assert (found.false_positives.k, found.false_positives.n) == (1, 3)
    assert (found.never_planted_inconclusive.k, found.never_planted_inconclusive.n) == (1, 3)
    one, sixteen = found.lines
    assert (one.copies, one.missed.k, one.found.k, one.inconclusive.k, one.missed.n) == (1, 2, 0, 0, 2)
    assert (sixteen.copies, sixteen.missed.k, sixteen.found.k, sixteen.inconclusive.k) == (16, 0, 1, 1)
    assert found.false_positives.method == compare.ONE_MODEL


def test_few_models_get_students_interval() -> None:
    """
    Shares 0.1, 0.2, 0.3: mean 0.2, s = 0.1, t_{0.975, 2} = 4.3027, half width 4.3027·0.1/√3 = 0.2484

    the low end −0.0484 is cut to 0
    """
    share = compare.clustered([(1, 10), (2, 10), (3, 10)])
    assert (share.k, share.n, share.models, share.method) == (6, 30, 3, compare.OVER_T)
    assert share.low == 0.0
    assert share.high == pytest.approx(0.2 + 4.302653 * 0.1 / math.sqrt(3), rel=1e-6)


def test_models_that_are_alike_are_no_proof_of_certainty() -> None:
    """
    0 of 84 in five models: their shares do not differ, so the images are counted: 1 − 0.025^(1/420) = 0.00875
    """
    share = compare.clustered([(0, 84)] * 5)
    assert share.method == compare.OVER_IMAGES
    assert share.low == 0.0
    assert share.high == pytest.approx(1 - 0.025 ** (1 / 420))


def test_many_models_are_drawn_again() -> None:
    """Of twelve models half hold everything: the interval is that of 12 coins, about 0.5 ± 0.29, the same each time."""
    found = [(10, 10)] * 6 + [(0, 10)] * 6
    share = compare.clustered(found)
    assert share.method == compare.OVER_BOOTSTRAP
    assert share.low == pytest.approx(0.25, abs=0.09)
    assert share.high == pytest.approx(0.75, abs=0.09)
    assert compare.clustered(found) == share


def test_models_without_such_images_do_not_count() -> None:
    """A count that one of two models has is of that model; nobody's is a dash."""
    found = compare.compare([(a_truth(a=0, b=4), {"b": "concealed"}), (a_truth(c=0), {"c": "not_memorized"})])
    [line] = found.lines
    assert (line.found.k, line.found.n, line.found.models) == (1, 1, 1)
    assert compare.told(compare.clustered([])) == "–"


def test_every_line_says_what_its_interval_is_over() -> None:
    """Two lines of the never planted and three a count."""
    found = compare.compare([(a_truth(a=0, b=1), {"a": "not_memorized", "b": "concealed"})])
    told = compare.lines(found)
    assert len(told) == 5
    assert all(line.endswith(compare.ONE_MODEL) for line in told)
    assert told[2].startswith("1 copy, found")
    assert "1/1 = 1.00 [0.03, 1.00]" in told[2]
