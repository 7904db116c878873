"""The page of faults is arithmetic over its rows."""

from typing import Any

from api_tests.faults import page
from api_tests.faults.table import FAULTS


def tried(**changes: Any) -> dict[str, Any]:
    """A try of the first fault that went well, with something changed."""
    row = {
        "table": "tries",
        "fault": next(iter(FAULTS)),
        "try": 0,
        "commit": "c" * 40,
        "in_flight": 2,
        "recovery_seconds": 4.0,
        "audits": 2,
        "lost": 0,
        "units": 24,
        "executed_twice": 1,
        "recorded_twice": 0,
        "agreeing": 2,
        "complaints": [],
        "facts": {"messages": 3},
    }
    return {**row, **changes}


def test_a_line_sums_up_its_tries() -> None:
    """Two tries of 2 audits and 24 units: 4 in flight, 2 of 48 units twice; of 4 s and 7 s the median is 5.5 s."""
    name = next(iter(FAULTS))
    found = page.line(name, [tried(), tried(recovery_seconds=7.0)])
    assert found[1:] == ["2", "4", "0 of 4", "2 of 48 units", "0", "5.5 s (7.0 s)", "4/4"]


def test_a_try_that_was_not_carried_through_is_told() -> None:
    """It counts as a try, its complaint is on the page, and it adds nothing to the sums."""
    name = next(iter(FAULTS))
    broken = {
        "table": "tries",
        "fault": name,
        "try": 1,
        "commit": "c",
        "lost": None,
        "complaints": ["a\nValueError: b"],
    }
    assert page.line(name, [tried(), broken])[1:4] == ["2 (1 not carried through)", "2", "0 of 2"]
    assert page.wrong([tried(), broken])[-1] == f"* {FAULTS[name].title}, try 1: `ValueError: b`"


def test_facts_are_told_by_their_range() -> None:
    """Equal numbers once, others from the smallest to the largest, words by name."""
    name = next(iter(FAULTS))
    rows = [tried(facts={"messages": n, "by": word}) for n, word in ((3, "stop"), (5, "kill"))]
    assert page.seen(name, rows)[-1] == "by: kill, stop; messages: 3 to 5"
