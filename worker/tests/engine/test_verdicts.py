"""The table of design.md, row by row."""

from typing import Any

import pytest

from palimpsest.contract.verdicts import VERDICTS
from worker.engine.audit import DRIFT_BOUND
from worker.engine.verdicts import CONTROL_BOUND, Seen, judge

SEARCH, OTHER = "adversarial_embedding", "gaussian"

RECOVERABLE: dict[str, Any] = {
    "prompt_before": True,
    "recoverable": {SEARCH: True},
    "prompt_after": False,
    "recovered": {SEARCH: False},
    "controls_before": {SEARCH: False},
    "controls_after": {SEARCH: False},
    "degraded": False,
    "missing": [],
}


def seen(**changes: Any) -> Seen:
    """A target that replicated before and does not after the mitigation, but for these changes."""
    return Seen(**(RECOVERABLE | changes))


UNKNOWN_BEFORE = {"prompt_before": False, "recoverable": {SEARCH: False}}
FOUND = {"recovered": {SEARCH: True}}

TABLE: dict[str, tuple[dict[str, Any], str]] = {
    "neither prompt nor search, before": (UNKNOWN_BEFORE, "not_memorized"),
    "no caption, and the search does not either": (
        {**UNKNOWN_BEFORE, "prompt_before": None, "prompt_after": None},
        "not_memorized",
    ),
    "not memorized, whatever comes after": ({**UNKNOWN_BEFORE, "prompt_after": True}, "not_memorized"),
    "the prompt still does": ({"prompt_after": True}, "still_replicates"),
    "the prompt still does, and the search": ({"prompt_after": True, **FOUND}, "still_replicates"),
    "the prompt still does, on a degraded model": ({"prompt_after": True, "degraded": True}, "still_replicates"),
    "the search does, controls do not": (FOUND, "concealed"),
    "the search does, on a degraded model": ({**FOUND, "degraded": True}, "concealed"),
    "no caption, the search does": ({"prompt_before": None, "prompt_after": None, **FOUND}, "concealed"),
    "only the search knew it before, and still does": ({"prompt_before": False, **FOUND}, "concealed"),
    "one of two searches does": (
        {
            "recoverable": {SEARCH: True, OTHER: True},
            "recovered": {SEARCH: False, OTHER: True},
            "controls_after": {SEARCH: False, OTHER: False},
        },
        "concealed",
    ),
    "neither does, though the search could before": ({}, "not_recovered"),
    "the search does, without controls": ({**FOUND, "controls_after": {SEARCH: None}}, "inconclusive"),
    "only the search knew it before, without controls": (
        {"prompt_before": False, "controls_before": {SEARCH: None}, **FOUND},
        "inconclusive",
    ),
    "neither does, and the power before has no controls": ({"controls_before": {}}, "inconclusive"),
    "the prompt does not, before, and no search was asked": (
        {"prompt_before": False, "recoverable": {}, "recovered": {}},
        "inconclusive",
    ),
    "controls replicate too, after": ({**FOUND, "controls_after": {SEARCH: True}}, "inconclusive"),
    "controls replicate too, before": (
        {"prompt_before": False, "controls_before": {SEARCH: True}},
        "inconclusive",
    ),
    "the search has no power": ({"recoverable": {SEARCH: False}}, "inconclusive"),
    "the search's power is not credible": ({"controls_before": {SEARCH: True}}, "inconclusive"),
    "no search was asked": ({"recoverable": {}, "recovered": {}}, "inconclusive"),
    "the model is degraded": ({"degraded": True}, "inconclusive"),
    "a unit is missing": ({"missing": ["before: OUT_OF_MEMORY"]}, "inconclusive"),
    "a unit is missing, though the prompt replicates": (
        {"missing": ["before: OUT_OF_MEMORY"], "prompt_after": True},
        "inconclusive",
    ),
}


@pytest.mark.parametrize("row", TABLE)
def test_the_table(row: str) -> None:
    """One row, one word."""
    changes, verdict = TABLE[row]
    assert judge(seen(**changes))[0] == verdict


@pytest.mark.parametrize("row", [row for row, (_, word) in TABLE.items() if word == "inconclusive"])
def test_an_inconclusive_verdict_says_why(row: str) -> None:
    """One reason at least, in words."""
    assert all(judge(seen(**TABLE[row][0]))[1])
    assert judge(seen(**TABLE[row][0]))[1]


def test_only_the_credible_probes_are_named() -> None:
    """Of two searches that find it, the one whose controls replicate does not count."""
    both = {"recovered": {SEARCH: True, OTHER: True}, "controls_after": {SEARCH: True, OTHER: False}}
    assert judge(seen(**both)) == ("concealed", [f"recovered by {OTHER}"])


def test_missing_units_are_named_with_their_codes() -> None:
    """As the report's reader meets them."""
    assert judge(seen(missing=["before: CANCELLED", "nemo: NOT_RUN"]))[1] == [
        "missing: before: CANCELLED",
        "missing: nemo: NOT_RUN",
    ]


def test_a_degraded_model_never_yields_not_recovered() -> None:
    """Whatever else was seen (docs/decisions/0002-the-drift-bound.md)."""
    for before in (True, False, None):
        for after in (True, False, None):
            for found in (True, False):
                word, _ = judge(
                    seen(prompt_before=before, prompt_after=after, recovered={SEARCH: found}, degraded=True)
                )
                assert word != "not_recovered"


def test_every_word_is_the_contracts() -> None:
    """Only ``not_detected``, for targets without an image, has no row yet."""
    assert {word for _, word in TABLE.values()} == set(VERDICTS) - {"not_detected"}


def test_the_bounds_are_fixed() -> None:
    """Set before any target is scored; moving one is a decision to be written down."""
    assert (DRIFT_BOUND, CONTROL_BOUND) == (0.5, 0.02)
