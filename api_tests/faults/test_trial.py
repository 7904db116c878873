"""What two reports must have in common."""

from api_tests.faults.out_of_memory import compared
from api_tests.faults.trial import differences


def test_differences_name_the_place_and_skip_what_no_digest_covers() -> None:
    """A changed score and a missing verdict are found; another id and other seconds are none."""
    one = {"audit_id": "a", "cost": {"seconds": 1}, "verdicts": [{"score": 0.5}, {"score": 0.1}]}
    other = {"audit_id": "b", "cost": {"seconds": 2}, "verdicts": [{"score": 0.5}, {"score": 0.2}]}
    assert differences(one, other) == ["verdicts.1.score"]
    assert differences(one, {**other, "verdicts": []}) == ["verdicts"]
    assert differences(one, {**one, "audit_id": "c"}) == []


def test_numbers_may_differ_by_so_much_and_words_not_at_all() -> None:
    """0.5 and 0.25 differ by 0.25; another verdict differs, whatever its size."""
    one, other = {"score": 0.5, "verdict": "concealed"}, {"score": 0.25, "verdict": "inconclusive"}
    assert compared(one, other, "v") == [("v.score", 0.25), ("v.verdict", None)]
