"""Magnitude: nothing for no text, and exactly the norm of what the text adds."""

import pytest
import torch

from palimpsest.contract.methods import MagnitudeParams
from worker.engine.detectors import magnitude
from worker.engine.setting import Setting
from worker.engine.trajectory import first_timestep, noises
from worker.tests import tiny

PROMPTS = list(tiny.TARGETS.values())


def test_no_text_adds_nothing(setting: Setting) -> None:
    """ε_c is ε_u for the empty prompt: 0, whatever the steps."""
    assert magnitude.score(setting, [""], MagnitudeParams()).item() == pytest.approx(0, abs=1e-5)


def test_the_first_step_by_hand(setting: Setting) -> None:
    """The mean over two noises of ‖ε_θ(x_T, t_0, y) − ε_θ(x_T, t_0, ∅)‖."""
    model, x_T = setting.model, noises(setting, 1, 2)
    t = torch.full((2,), first_timestep(setting))
    y, y_empty = model.encode_prompts([PROMPTS[0], ""])
    delta = model.eps(x_T, t, y.expand(2, -1, -1)) - model.eps(x_T, t, y_empty.expand(2, -1, -1))
    by_hand = delta.flatten(1).pow(2).sum(dim=1).sqrt().mean()
    scored = magnitude.score(setting, PROMPTS[:1], MagnitudeParams(images=2, steps=1))
    assert scored.item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_all_steps_begin_with_the_first(setting: Setting) -> None:
    """The track has a value a step; asking for one step alone gives its first."""
    whole = magnitude.track(setting, PROMPTS, MagnitudeParams(images=2))
    first = magnitude.track(setting, PROMPTS, MagnitudeParams(images=2, steps=1))
    assert whole.shape == (3, 2, setting.sampler.steps)
    torch.testing.assert_close(whole[:, :, :1], first)


def test_more_steps_than_there_are_is_all_of_them(setting: Setting) -> None:
    """Fifty of two are two."""
    fifty = magnitude.track(setting, PROMPTS, MagnitudeParams(images=1, steps=50))
    assert fifty.shape[2] == setting.sampler.steps


def test_a_score_depends_on_its_prompt_alone(setting: Setting) -> None:
    """Alone or among others."""
    together = magnitude.score(setting, PROMPTS, MagnitudeParams(images=2))
    alone = torch.cat([magnitude.score(setting, [prompt], MagnitudeParams(images=2)) for prompt in PROMPTS])
    torch.testing.assert_close(together, alone)


def test_it_costs_both_halves_of_every_step(setting: Setting) -> None:
    """3 prompts × 2 noises × 2 halves × 1 step = 12 passes."""
    before = setting.model.work.forwards
    magnitude.score(setting, PROMPTS, MagnitudeParams(images=2, steps=1))
    assert setting.model.work.forwards - before == 12
