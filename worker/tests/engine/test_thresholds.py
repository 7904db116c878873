"""Thresholds of regions: fixed for the maximum over their looks."""

from dataclasses import replace

import pytest
import torch

from palimpsest.contract.request import Region
from worker.engine.items import Item
from worker.engine.partial_copies import distance, similarity
from worker.engine.regions import box
from worker.engine.setting import Setting
from worker.engine.thresholds import above, fixed, negatives
from worker.tests import tiny

MIDDLE = Region(x=0.25, y=0.25, width=0.5, height=0.5)


def test_negatives_are_one_picture_of_every_neutral_prompt(setting: Setting) -> None:
    """Six prompts, six pictures, the same each time and those of the unmitigated model."""
    drawn = negatives(setting)
    assert drawn.shape == (len(tiny.NEUTRAL), 3, tiny.SIDE, tiny.SIDE)
    assert torch.equal(drawn, negatives(setting))
    assert len({tuple(picture.flatten().tolist()) for picture in drawn}) == 6


def test_a_threshold_is_the_largest_of_the_negatives(setting: Setting, targets: list[Item]) -> None:
    """Where the descriptor's own is lower: no negative exceeds it, and 1/(6 + 1) is what is promised of one more."""
    mild = replace(setting, descriptor=replace(setting.descriptor, threshold=-1.0, tiled_l2_threshold=9.0))
    drawn, b = negatives(mild), box(MIDDLE, tiny.SIDE, tiny.SIDE)
    for item, judge in zip(targets, fixed(mild, targets, MIDDLE), strict=True):
        near, far = similarity(mild.descriptor, drawn, item.picture, b), distance(drawn, item.picture, b)
        assert judge.threshold == pytest.approx(float(near.max()), abs=2e-5)
        assert not bool((near > judge.threshold).any())
        assert judge.tiled_l2_threshold == pytest.approx(float(far.min()), abs=2e-5)
        assert not bool((far < judge.tiled_l2_threshold).any())
        assert (judge.negatives, judge.false_positive_bound) == (6, round(1 / 7, 6))
        assert (judge.item_id, judge.role, judge.pixels, judge.looks) == (item.id, "target", [8, 8, 24, 24], 27)


def test_a_threshold_is_never_below_the_descriptors_own(setting: Setting, targets: list[Item]) -> None:
    """More looks need at least what one look needs; likewise from below for the second judge."""
    strict = replace(setting, descriptor=replace(setting.descriptor, threshold=1.5, tiled_l2_threshold=1e-3))
    judges = fixed(strict, targets, MIDDLE)
    assert {judge.threshold for judge in judges} == {1.5}
    assert {judge.tiled_l2_threshold for judge in judges} == {1e-3}
    assert not any(judge.has_power for judge in judges)


def test_a_judge_has_power_where_it_knows_the_references_reconstruction(setting: Setting, targets: list[Item]) -> None:
    """By the same similarity as any picture's: above the threshold it has, below it has not."""
    mild = replace(setting, descriptor=replace(setting.descriptor, threshold=-1.0))
    b = box(MIDDLE, tiny.SIDE, tiny.SIDE)
    for item, judge in zip(targets, fixed(mild, targets, MIDDLE), strict=True):
        again = mild.model.decode(mild.model.encode_images(item.picture[None] * 2 - 1))
        expected = float(similarity(mild.descriptor, again, item.picture, b))
        assert judge.reconstruction == pytest.approx(expected, abs=1e-4)
        assert judge.has_power is (expected > judge.threshold)


def test_rounding_never_lets_a_negative_through() -> None:
    """Up, to five places; what is there already stays."""
    assert [above(value) for value in (0.123451, 0.5, -0.123459)] == [0.12346, 0.5, -0.12345]
