"""Scoring and drawing."""

from dataclasses import replace

import pytest
import torch

from palimpsest.contract.request import AuditRequest
from worker.engine.items import Item, Trial
from worker.engine.setting import EFFORTS, Effort, Score, Setting, rows
from worker.tests import tiny


def trials(items: list[Item]) -> list[Trial]:
    """On the unmitigated model."""
    return [Trial(item, "all", None) for item in items]


def score(hits: int, of: int) -> Score:
    """So many of so many."""
    return Score([0.0] * of, [1.0] * of, hits, 0)


@pytest.mark.parametrize(
    ("hits", "of", "replicates"),
    [(4, 8, True), (3, 8, False), (8, 8, True), (1, 2, True), (0, 2, False), (2, 4, True), (1, 4, False)],
)
def test_half_of_the_pictures_make_a_replication(setting: Setting, hits: int, of: int, replicates: bool) -> None:
    """Standard effort asks for 4 of 8; a look of 2 pictures, in proportion, for 1."""
    standard = replace(setting, effort=EFFORTS["standard"])
    assert standard.replicates(score(hits, of)) is replicates


@pytest.mark.parametrize("name", EFFORTS)
def test_efforts_are_those_of_the_contract_and_ask_for_half(name: str) -> None:
    """quick 2/4, standard 4/8, thorough 5/10; looks rise and stay below the published 50 steps."""
    effort = EFFORTS[name]
    assert effort.name == name == AuditRequest.model_validate({"model": "m", "target_set": "s", "effort": name}).effort
    assert effort.hits * 2 == effort.images
    assert list(effort.looks) == sorted(set(effort.looks))
    assert max(effort.looks) < 50


def test_both_judges_say_an_image_is_a_copy_of_itself(setting: Setting, targets: list[Item]) -> None:
    """Similarity 1, distance 0; its inverse is neither judge's copy."""
    judged = replace(setting, descriptor=replace(setting.descriptor, threshold=0.99))
    picture = targets[0].picture
    seen = judged.score(torch.stack([picture, 1 - picture]), targets[0])
    assert seen.similarity[0] == pytest.approx(1.0, abs=1e-5)
    assert seen.distance[0] == 0.0
    assert (seen.hits, seen.second_hits) == (1, 1)


def test_drawing_one_trial_alone_or_among_others_is_the_same(setting: Setting, targets: list[Item]) -> None:
    """Noise by item, purpose and number, never by place: bell third of three equals bell alone, to one 8-bit level."""
    y = setting.model.encode_prompts([target.prompt or "" for target in targets])
    together = setting.draw(trials(targets), y, images=2, purpose=("evaluate", "prompt"))
    alone = setting.draw(trials(targets[2:]), y[2:], images=2, purpose=("evaluate", "prompt"))
    assert together.shape == (3, 2, 3, 32, 32)
    assert float((together[2:] - alone).abs().max()) <= 1 / 255 + 1e-5


def test_another_purpose_or_seed_draws_other_pictures(setting: Setting, targets: list[Item]) -> None:
    """Confirmation uses noise that no look has used."""
    y = setting.model.encode_prompts(["a fox"])

    def draw(setting: Setting, *purpose: str | int) -> torch.Tensor:
        return setting.draw(trials(targets[:1]), y, images=1, purpose=purpose)

    look = draw(setting, "look", 1)
    assert torch.equal(look, draw(setting, "look", 1))
    assert not torch.equal(look, draw(setting, "confirm", 1))
    assert not torch.equal(look, draw(replace(setting, seed=1), "look", 1))


def test_before_and_after_start_from_the_same_noise(setting: Setting, targets: list[Item]) -> None:
    """The group a trial belongs to is no part of its noise."""
    y = setting.model.encode_prompts(["a fox"])
    before = setting.draw([Trial(targets[0], "all", None)], y, images=1, purpose=("evaluate", "prompt"))
    after = setting.draw([Trial(targets[0], "fox", 0)], y, images=1, purpose=("evaluate", "prompt"))
    assert torch.equal(before, after)


def test_latents_are_of_pictures_from_minus_one_to_one(setting: Setting, targets: list[Item]) -> None:
    """x = 2 · picture − 1"""
    z = setting.latents(trials(targets))
    expected = setting.model.encode_images(torch.stack([target.picture for target in targets]) * 2 - 1)
    assert torch.equal(z, expected)


def test_every_row_of_a_trial_meets_its_trials_model(targets: list[Item]) -> None:
    """Groups 2 and 0, three rows each: 2 2 2 0 0 0; without groups there is nothing to say."""
    on = [Trial(targets[0], "fox", 2), Trial(targets[1], "kite", 0)]
    said = rows(on, 3)
    assert said is not None
    assert said.tolist() == [2, 2, 2, 0, 0, 0]
    assert rows(trials(targets), 3) is None


def test_an_effort_is_plain_numbers() -> None:
    """Frozen: nobody lowers the bar during an audit."""
    with pytest.raises(AttributeError):
        EFFORTS["quick"].hits = 1  # type: ignore[misc]
    assert isinstance(EFFORTS["quick"], Effort)


def test_neutral_prompts_are_evenly_spaced(setting: Setting) -> None:
    """Four of six: ⌊6i/4⌋ = 0, 1, 3, 4; nine of six are all six."""
    assert setting.evenly(4) == [tiny.NEUTRAL[i] for i in (0, 1, 3, 4)]
    assert setting.evenly(9) == tiny.NEUTRAL
