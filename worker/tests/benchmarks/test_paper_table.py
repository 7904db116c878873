"""What may be said of a method, from rows made by hand."""

from pathlib import Path
from typing import Any

import pytest

from worker.benchmarks.book import Book
from worker.benchmarks.paper_table_page import share, word

META = {"table": "meta", "removed": 0.1}


def rows(table: str, probe: str, targets: str, controls: str = "....", **more: Any) -> list[dict[str, Any]]:
    """A row an item; ``x`` replicates."""
    marks = [("target", mark) for mark in targets] + [("control", mark) for mark in controls]
    said = {"table": table, "method": "m", "probe": probe, **more}
    return [{**said, "role": role, "replicates": mark == "x"} for role, mark in marks]


def measured(prompt: str, search: str, from_prompt: str, controls: str = "....") -> list[dict[str, Any]]:
    """The three probes of one method."""
    return [
        META,
        *rows("methods", "prompt", prompt),
        *rows("methods", "search", search, controls),
        *rows("methods", "search-from-prompt", from_prompt),
    ]


def test_shares_have_their_counts_and_interval() -> None:
    """Two of four, Clopper-Pearson: the bounds solve P(X ≥ 2) = 2.5 % and P(X ≤ 2) = 2.5 %."""
    mine = rows("methods", "prompt", "xx..")
    assert share(mine, "target", ["prompt"]) == "2/4 = 0.50 [0.07, 0.93]"
    assert share(mine, "target", ["search"]) == "–"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (measured("....", "xxxx", "...."), "hides (0.00 by prompt, up to 1.00 by search)"),
        (measured("xx..", "xxxx", "...."), "neither hides"),
        (measured("....", "x...", "...."), "neither hides"),
        (measured("....", "....", "....", controls="x..."), "nothing can be said, 0.25 of the controls"),
        (measured("....", "....", "...."), "not attacked further"),
    ],
)
def test_words_follow_the_shares(found: list[dict[str, Any]], said: str) -> None:
    """Hidden, neither, nothing to be said, or not known further."""
    assert said in word(found, "m")


@pytest.mark.parametrize(("tokens", "said"), [("....", "removes (at most 0.00"), ("x...", "does not remove")])
def test_removed_is_what_survives_every_attack(tokens: str, said: str) -> None:
    """One target of four under one attack is more than 0.1."""
    found = [
        *measured("....", "....", "...."),
        *rows("attacks", "search", "....", attack="another optimizer"),
        *rows("attacks", "search", tokens, attack="tokens"),
    ]
    assert said in word(found, "m")


def test_a_part_is_measured_once(tmp_path: Path) -> None:
    """Kept rows come back as they were, for the very same model and judge only."""
    book = Book(tmp_path, "model-a")
    assert book.rows("methods", "NeMo, joint") is None
    book.keep([{"n": 1}], "methods", "NeMo, joint")
    assert Book(tmp_path, "model-a").rows("methods", "NeMo, joint") == [{"n": 1}]
    assert Book(tmp_path, "model-b").rows("methods", "NeMo, joint") is None
