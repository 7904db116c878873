"""docs/results/planted.md from rows made by hand."""

from typing import Any

import pytest

from worker.benchmarks import planted_page


def images(m: int, copies: int, words: list[str], **more: Any) -> list[dict[str, Any]]:
    """A row an image of one model."""
    said = {"table": "image", "model": m, "copies": copies, "seen": 10 * copies, "unique": True, **more}
    return [{**said, "item": f"{copies}-{n}", "verdict": word} for n, word in enumerate(words)]


@pytest.mark.parametrize(
    ("n", "false", "said"),
    [(400, 4, "reached (4 of 400)"), (400, 5, "not reached (5 of 400)"), (398, 0, "not reached (0 of 398)")],
)
def test_the_aim_is_one_percent_of_four_hundred(n: int, false: int, said: str) -> None:
    """Over two models; more false ones miss it, and so do fewer images."""
    words = ["concealed"] * false + ["not_memorized"] * (n // 2 - false)
    found = planted_page.compared([*images(0, 0, words), *images(1, 0, ["not_memorized"] * (n // 2))])
    [line] = planted_page.aim(found)
    assert line.endswith(f": {said}.")


def test_what_was_missed_is_told_by_count() -> None:
    """
    One copy: 3 of 4 missed, 1 inconclusive; sixteen: 1 of 4 missed, 3 found

    A model has half of each; of one copy both models miss unlike shares (2 of 2 and 1 of 2): Student's t
    """
    rows = [
        *images(0, 1, ["not_memorized", "not_memorized"]),
        *images(1, 1, ["not_memorized", "inconclusive"]),
        *images(0, 16, ["concealed", "still_replicates"]),
        *images(1, 16, ["not_memorized", "concealed"]),
    ]
    _, _, one, sixteen = planted_page.missed(rows, planted_page.compared(rows))
    assert one.startswith("| 1 | 10 | 3/4 = 0.75 [")
    assert "0/4 = 0.00" in one
    assert "1/4 = 0.25" in one
    assert sixteen.startswith("| 16 | 160 | 1/4 = 0.25 [")
    assert "3/4 = 0.75" in sixteen
    [methods] = planted_page.methods(planted_page.compared(rows))
    assert "Student's t over models: missed at 1" in methods


def test_false_alarms_are_told_by_the_form_of_their_captions() -> None:
    """One of two unique captions is accused, none of two shared ones: 1/4, 1/2 and 0/2."""
    rows = [*images(0, 0, ["concealed", "not_memorized"]), *images(0, 0, ["not_memorized", "inconclusive"])]
    rows = [{**row, "item": str(n), "unique": n < 2} for n, row in enumerate(rows)]
    _, _, everybody, unique, shared = planted_page.false_alarms(rows, planted_page.compared(rows))
    assert "| 1/4 = 0.25 [" in everybody
    assert "| 1/2 = 0.50 [" in unique
    assert "| 0/2 = 0.00 [" in shared
    assert "| 1/2 = 0.50 [" in shared  # inconclusive


def test_what_models_remember_is_told_by_both_probes() -> None:
    """Never planted first, then by count, controls last."""

    def said(prompt: bool, search: bool) -> dict[str, Any]:
        marks = {"prompt": prompt, "search": search}
        return {probe: {"replicates": mark, "mean": float(mark)} for probe, mark in marks.items()}

    rows = [
        *images(0, 0, ["not_memorized"], **said(False, False)),
        *images(0, 4, ["concealed"], **said(False, True)),
        {"table": "control", "model": 0, "item": "c", **said(False, False)},
    ]
    assert planted_page.remembered(rows)[2:] == [
        "| never planted | 0/1 | 0.00 | 0/1 | 0.00 |",
        "| 4 | 0/1 | 0.00 | 1/1 | 1.00 |",
        "| controls | 0/1 | 0.00 | 0/1 | 0.00 |",
    ]
