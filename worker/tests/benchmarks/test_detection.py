"""Who is on which side of the evaluation of detectors."""

from collections import Counter
from typing import Any

from worker.benchmarks.detection import captions
from worker.benchmarks.detection_page import aims, areas, calibrated, calibrates, evaluates, is_target


def test_every_caption_is_on_one_side() -> None:
    """Once, and no positive calibrates."""
    rows = captions()
    assert max(Counter(row["caption"] for row in rows).values()) == 1
    assert not any(is_target(row) and calibrates(row) for row in rows)
    assert sum(map(is_target, rows)) == 32


def test_at_least_300_negatives_evaluate_unique_ones_among_them() -> None:
    """And enough calibrate for a threshold at 1 %, of shared captions alone too."""
    rows = captions()
    assert sum(map(evaluates, rows)) >= 300
    assert sum(evaluates(row) and row["unique"] for row in rows) >= 100
    assert sum(calibrates(row) and not row["unique"] for row in rows) >= 99
    assert any(calibrates(row) and row["unique"] for row in rows)


def test_sides_are_the_same_every_time() -> None:
    """They rest on the captions' sha256."""
    assert captions() == captions()


def scored(**scores: dict[str, float]) -> list[dict[str, Any]]:
    """Four targets, four negatives; a detector's score of either kind."""
    kinds = [("targets", "evaluation")] * 4 + [("neutral", "evaluation")] * 4
    return [
        {"set": name, "part": part, "unique": True, "scores": {d: by[name] for d, by in scores.items()}}
        for name, part in kinds
    ]


def test_the_aim_counts_detectors_not_their_settings() -> None:
    """Two settings of one detector are one; the baseline is none; two detectors reach it."""
    good, bad = {"targets": 1.0, "neutral": 0.0}, {"targets": 0.0, "neutral": 1.0}
    [one] = aims(scored(**{"captions alone": good, "magnitude": good, "magnitude, first step": good, "sharpness": bad}))
    assert "not reached (`magnitude`, `magnitude, first step`)" in one
    [two] = aims(scored(**{"captions alone": bad, "magnitude": good, "sharpness": good}))
    assert "reached (`magnitude`, `sharpness`)" in two
    assert "not reached" not in two


def test_a_row_of_the_table_by_hand() -> None:
    """4 of 4 above all 4 negatives, in both comparisons."""
    [_, _, row] = areas(scored(magnitude={"targets": 1.0, "neutral": 0.0}))
    assert row.count("4/4 = 1.00") == 2
    assert row.count("| 1.000 [") == 2


def test_thresholds_come_from_the_calibration_part_alone() -> None:
    """
    99 calibration scores 1 … 99: the threshold is 99, which 1 of 4 targets and 1 of 4 unique negatives exceed
    """
    rows = scored(magnitude={"targets": 99.0, "neutral": 0.0})
    rows[0]["scores"] = {"magnitude": 100.0}
    rows[4]["scores"] = {"magnitude": 100.0}
    plain = {"set": "neutral", "part": "calibration", "unique": False}
    rows += [{**plain, "scores": {"magnitude": float(n)}} for n in range(1, 100)]
    rows += [{**plain, "part": "evaluation", "scores": {"magnitude": 0.0}}]
    [_, _, row] = calibrated(rows)
    assert [cell.split(" = ")[0].strip() for cell in row.split("|")[2:5]] == ["1/4", "1/4", "0/1"]
