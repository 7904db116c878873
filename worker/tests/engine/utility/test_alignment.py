"""To which prompt the unmitigated model assigns a picture."""

from dataclasses import replace

import pytest
import torch

from worker.engine.diffusion import denoising_loss
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting
from worker.engine.utility.alignment import aligned, candidate_losses, candidates
from worker.tests import tiny


def test_the_prompt_stands_first_among_different_ones(setting: Setting) -> None:
    """Three of six; all six where more are asked for; drawn the same again, for another audit otherwise."""
    own = tiny.NEUTRAL[2]
    chosen = candidates(setting, own, 3)
    assert chosen[0] == own
    assert len(set(chosen)) == 3
    assert set(candidates(setting, own, 100)) == set(tiny.NEUTRAL)
    assert candidates(setting, own, 3) == chosen
    assert any(candidates(replace(setting, seed=n), own, 3) != chosen for n in range(1, 6))


def test_a_prompt_that_occurs_twice_is_one_candidate(setting: Setting) -> None:
    """Neutral prompts may repeat."""
    doubled = replace(setting, neutral=tiny.NEUTRAL * 2)
    assert sorted(candidates(doubled, tiny.NEUTRAL[0], 100)) == sorted(tiny.NEUTRAL)


def test_losses_are_on_one_noise_for_all_prompts(setting: Setting) -> None:
    """R = 2 latents, K = 3 prompts, B = 4 pairs, each worked out once more."""
    x_0 = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = candidate_losses(setting, x_0, tiny.NEUTRAL[:3], "purpose", 4)
        for r in range(2):
            generator = generator_for(setting.seed, "utility", "assign", "purpose", r)
            t = torch.randint(1000, (4,), generator=generator)
            eps = torch.randn(4, 4, 8, 8, generator=generator)
            for k, prompt in enumerate(tiny.NEUTRAL[:3]):
                y = setting.model.encode_prompts([prompt]).expand(4, -1, -1)
                x = x_0[r].expand(4, -1, -1, -1)
                expected = denoising_loss(setting.model.eps, x, y, t, eps, setting.model.alpha_bar).mean()
                assert float(found[r, k]) == pytest.approx(float(expected), abs=1e-4)


def test_a_picture_belongs_to_the_prompt_of_least_loss(setting: Setting) -> None:
    """Aligned where the own prompt, which stands first, has the least; by the losses themselves."""
    x_0 = torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    own = tiny.NEUTRAL[1]
    with torch.no_grad():
        losses = candidate_losses(setting, x_0, candidates(setting, own, 3), own, 2)
    assert aligned(setting, x_0, own, 3, 2).tolist() == [row.index(min(row)) == 0 for row in losses.tolist()]


def test_assigning_asks_no_gradient(setting: Setting) -> None:
    """2 latents × 3 prompts × 4 pairs = 24 plain rows."""
    work = setting.model.work
    before = work.forwards, work.forwards_with_gradient
    aligned(setting, torch.zeros(2, 4, 8, 8), tiny.NEUTRAL[0], 3, 4)
    assert (work.forwards - before[0], work.forwards_with_gradient - before[1]) == (24, 0)
