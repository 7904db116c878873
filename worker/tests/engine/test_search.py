"""What searches share."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from palimpsest.contract.request import Region
from worker.engine.diffusion import denoising_loss, q_sample
from worker.engine.edits import JOINT, Edit
from worker.engine.items import Item, Trial
from worker.engine.regions import Local
from worker.engine.search import Candidate, answer, confirmed, draw, finals, gradients, looked_at, losses, masks, ranks
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting
from worker.tests import tiny


def trials(*items: Item) -> list[Trial]:
    """On the unmitigated model."""
    return [Trial(item, JOINT, None) for item in items]


def candidates(setting: Setting, *trial: int) -> list[Candidate]:
    """One a trial, each another neutral prompt."""
    y = setting.model.encode_prompts(tiny.NEUTRAL[: len(trial)])
    return [Candidate(i, "prompt", y[n], tiny.NEUTRAL[n]) for n, i in enumerate(trial)]


def noised(rows: int) -> tuple[Tensor, Tensor]:
    """Timesteps and noise for so many rows."""
    generator = torch.Generator().manual_seed(5)
    return torch.randint(1000, (rows,), generator=generator), torch.randn(rows, 4, 8, 8, generator=generator)


def test_a_rank_is_the_loss_on_noise_kept_apart(setting: Setting, targets: list[Item]) -> None:
    """16 pairs drawn for the item alone, the same for all its candidates; worked out once more."""
    on = trials(*targets[:2])
    x_0 = setting.latents(on)
    several = candidates(setting, 0, 0, 1)
    expected = []
    for candidate in several:
        generator = generator_for(setting.seed, "select", on[candidate.trial].item.id)
        t = torch.randint(1000, (16,), generator=generator)
        eps = torch.randn(16, 4, 8, 8, generator=generator)
        x, y = x_0[candidate.trial].expand(16, -1, -1, -1), candidate.y.expand(16, -1, -1)
        with torch.no_grad():
            loss = denoising_loss(setting.model.eps, x, y, t, eps, setting.model.alpha_bar).mean()
        expected.append(float(loss))
    assert ranks(setting, on, several, x_0) == pytest.approx(expected, abs=1e-4)
    assert ranks(setting, on, [], x_0) == []


def test_what_is_not_finite_ranks_last(setting: Setting, targets: list[Item]) -> None:
    """An embedding of NaN has an infinite rank."""
    on = trials(targets[0])
    broken = Candidate(0, "prompt", torch.full((20, 16), float("nan")))
    assert ranks(setting, on, [broken], setting.latents(on)) == [float("inf")]


def test_gradients_are_those_of_the_mean_loss(setting: Setting, targets: list[Item]) -> None:
    """Two candidates of two pairs: what autograd gives at once, also when only three of the four rows fit together."""
    on = trials(*targets[:2])
    x_0, which = setting.latents(on), torch.tensor([1, 0])
    y = setting.model.encode_prompts(tiny.NEUTRAL[:2])
    t, eps = noised(4)
    leaf = y.clone().requires_grad_()
    by_row = losses(setting, on, which.repeat_interleave(2), x_0, leaf.repeat_interleave(2, dim=0), t, eps)
    (expected,) = torch.autograd.grad(by_row.view(2, 2).mean(dim=1).sum(), leaf)
    for most in (256, 3, 1):
        before, setting.model.parts_with_gradient.most = setting.model.parts_with_gradient.most, most
        found, gradient = gradients(setting, on, which, x_0, y, t, eps)
        setting.model.parts_with_gradient.most = before
        assert found.tolist() == pytest.approx(by_row.detach().view(2, 2).mean(dim=1).tolist(), abs=1e-4)
        assert torch.allclose(gradient, expected, atol=1e-5)


def test_every_row_meets_its_trials_model(setting: Setting, targets: list[Item]) -> None:
    """fox's model is whole, kite's has no values left: each row's loss is that of its own model alone."""
    masks = {path: torch.ones(width, dtype=torch.bool) for path, width in tiny.VALUE_LAYERS.items()}
    on = [Trial(targets[0], "fox", 0), Trial(targets[1], "kite", 1)]
    x_0, which = setting.latents(on), torch.tensor([1, 0, 1])
    y = setting.model.encode_prompts(tiny.NEUTRAL[:3])
    t, eps = noised(3)
    with setting.model.edited(Edit("neurons", {"fox": {}, "kite": masks}, 40)), torch.no_grad():
        together = losses(setting, on, which, x_0, y, t, eps)
    alone = trials(*targets[:2])
    with torch.no_grad():
        whole = losses(setting, alone, which, x_0, y, t, eps)
        with setting.model.edited(Edit("neurons", {JOINT: masks}, 40)):
            silent = losses(setting, alone, which, x_0, y, t, eps)
    assert torch.allclose(together, torch.stack([silent[0], whole[1], silent[2]]), atol=1e-4)
    assert not torch.allclose(silent, whole, atol=1e-4)


def test_a_hit_is_confirmed_on_unused_seeds(generous: Setting, targets: list[Item]) -> None:
    """Every picture is a copy: the answer holds the confirming pictures, the look's step and the text."""
    on = trials(*targets[:2])
    found = looked_at(generous, on, candidates(generous, 0, 1), look=7)
    assert sorted(found) == [0, 1]
    for i, one in found.items():
        expected = generous.draw(on[i : i + 1], one.embedding[None], images=2, purpose=("confirm", 7))  # type: ignore[index]
        assert torch.allclose(one.pictures, expected[0], atol=1.5 / 255)
        assert (one.steps, one.first_step, one.text) == (7, 7, tiny.NEUTRAL[i])


def test_no_hit_is_no_answer_before_the_end(setting: Setting, targets: list[Item]) -> None:
    """No picture is a copy: nothing is confirmed; at the end there is an answer without a first step."""
    on = trials(targets[0])
    best = candidates(setting, 0)
    assert looked_at(setting, on, best, look=1) == {}
    assert confirmed(setting, on, best, look=1) == {}
    [last] = finals(setting, on, best, steps=9).values()
    assert (last.steps, last.first_step) == (9, None)
    expected = setting.draw(on, best[0].y[None], images=2, purpose=("evaluate", "search"))
    assert torch.equal(last.pictures, expected[0])


def test_nobody_is_drawn_for_nothing(setting: Setting, targets: list[Item]) -> None:
    """No candidates, no passes."""
    before = setting.model.work.forwards
    assert draw(setting, trials(targets[0]), [], 2, ("look", 1)) == []
    assert setting.model.work.forwards == before


def test_an_answer_has_the_whole_trace(setting: Setting, targets: list[Item]) -> None:
    """A candidate taken early points at its walk's losses, which went on."""
    trace = [0.9]
    candidate = replace(candidates(setting, 0)[0], loss=trace)
    trace.append(0.8)
    assert answer(candidate, torch.zeros(2, 3, 32, 32), 2, first_step=None, noise=()).loss == (0.9, 0.8)


def test_a_search_denoises_the_region_alone(setting: Setting, targets: list[Item]) -> None:
    """What the loss of a target in a region is, is that of its latents; a whole image beside it keeps its own."""
    local = Local(Region(x=0.5, y=0.0, width=0.5, height=1.0), threshold=0.5, tiled_l2_threshold=0.1)
    items = [replace(targets[0], local=local), targets[1]]
    listed = trials(*items)
    x_0, y = setting.latents(listed), setting.model.encode_prompts([item.prompt or "" for item in items])
    t, which = torch.tensor([400, 400]), torch.arange(2)
    eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        found = losses(setting, listed, which, x_0, y, t, eps)
        error = (eps - setting.model.eps(q_sample(x_0, t, eps, setting.model.alpha_bar), t, y)).pow(2)
    assert found[0].item() == pytest.approx(error[0, :, :, 4:].mean().item(), rel=1e-4)
    assert found[1].item() == pytest.approx(error[1].mean().item(), rel=1e-4)


def test_whole_images_have_no_mask(setting: Setting, targets: list[Item]) -> None:
    """So that nothing of their loss changes, to the last bit."""
    assert masks(targets, torch.zeros(3, 4, 8, 8)) is None
    assert masks([], torch.zeros(0, 4, 8, 8)) is None
