"""What is different between two reports, by hand."""

from palimpsest.comparing import RateChange, difference
from palimpsest.contract.report import AuditReport, Rate
from palimpsest.tests.example import (
    NONE_OF_TWO,
    ONE_OF_TWO,
    SEARCH,
    a_report,
    row,
    verdict,
    with_the_owl_in_a_region,
)

BEFORE = a_report()


def without_the_owl() -> AuditReport:
    """The same audit of a model that keeps the owl to itself: one verdict, one rate."""
    told = [each for each in BEFORE.verdicts if (each.target_id, each.mitigation) != ("owl", "nemo")]
    lines = [BEFORE.summary.mitigations[0], row("nemo", {"not_recovered": 2}, prompt=NONE_OF_TWO, search=NONE_OF_TWO)]
    summary = BEFORE.summary.model_copy(update={"mitigations": lines})
    return BEFORE.model_copy(update={"verdicts": [*told, verdict("owl", back=False)], "summary": summary})


def test_a_report_is_as_itself() -> None:
    """Nothing to say."""
    found = difference(BEFORE, BEFORE)
    assert found.empty
    assert found.caveats == []


def test_a_verdict_and_its_rate() -> None:
    """1 of 2 has 0.013 to 0.987, 0 of 2 has 0 to 0.842: the intervals meet, and it may be chance."""
    found = difference(BEFORE, without_the_owl())
    [changed] = found.verdicts
    assert (changed.target, changed.mitigation) == ("owl", "nemo")
    assert (changed.before, changed.after) == ("concealed", "not_recovered")
    [rate] = found.rates
    assert (rate.mitigation, rate.what, rate.before, rate.after) == ("nemo", f"+{SEARCH}", ONE_OF_TWO, NONE_OF_TWO)
    assert not rate.apart


def test_intervals_that_do_not_touch_are_apart() -> None:
    """In either direction; one point in common is touching."""
    low = Rate(value=0.1, low=0.0, high=0.2, k=1, n=10)
    for begin, apart in ((0.21, True), (0.2, False)):
        high = Rate(value=0.9, low=begin, high=1.0, k=9, n=10)
        assert RateChange("nemo", "prompt", low, high).apart is apart
        assert RateChange("nemo", "prompt", high, low).apart is apart


def test_what_one_report_lacks_is_a_change_of_the_verdict_only() -> None:
    """A mitigation that only one has, has verdicts to miss and no rate to compare."""
    kept = [each for each in BEFORE.verdicts if each.mitigation == "none"]
    summary = BEFORE.summary.model_copy(update={"mitigations": BEFORE.summary.mitigations[:1]})
    fewer = BEFORE.model_copy(update={"verdicts": kept, "summary": summary})
    found = difference(BEFORE, fewer)
    assert [(each.target, each.before, each.after) for each in found.verdicts] == [
        ("owl", "concealed", None),
        ("fox", "not_recovered", None),
    ]
    assert found.rates == []
    assert next((each.before, each.after) for each in difference(fewer, BEFORE).verdicts) == (None, "concealed")


def test_what_else_is_another_is_said() -> None:
    """A change beside another judge or budget is not of the model alone."""
    other = BEFORE.model_copy(
        update={
            "resolved": BEFORE.resolved | {"effort": "thorough"},
            "judges": [BEFORE.judges[0].model_copy(update={"threshold": 0.6})],
            "state": "cancelled",
        }
    )
    found = difference(BEFORE, other)
    assert found.caveats == ["the judge is another", "the effort is another", "the state is another"]
    assert found.empty


def test_a_region_is_not_compared_with_the_whole_image() -> None:
    """The owl is concealed as a whole and not recovered in its region: no change, but a caveat that names it."""
    regional = with_the_owl_in_a_region()
    told = [v.model_copy(update={"verdict": "not_recovered"}) for v in regional.verdicts]
    found = difference(BEFORE, regional.model_copy(update={"verdicts": told}))
    assert found.caveats == ["the scope of owl is another"]
    assert {change.target for change in found.verdicts} == {"fox"}
    assert difference(regional, regional).caveats == []
