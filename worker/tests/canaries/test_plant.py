"""The training: by hand at one step, across a break, with and without its canaries."""

from dataclasses import replace

import pytest
import torch

from worker.canaries import plant
from worker.canaries.recipe import Planting
from worker.canaries.rows import Specimen
from worker.engine import finetuning
from worker.engine.diffusion import denoising_loss
from worker.engine.edits import JOINT
from worker.engine.finetuning import learner_of
from worker.engine.model import DiffusionModel
from worker.engine.own_draws import Regular
from worker.engine.seeds import generator_for
from worker.engine.setting import Checkpoint, Setting


def every_second(step: int) -> bool:
    """When a state is kept."""
    return step % 2 == 0


def loss_of(setting: Setting, pictures: Regular, of: slice) -> float:
    """The denoising loss of some pictures, on 64 noises each."""
    own = torch.Generator().manual_seed(0)
    x_0, y = pictures.x_0[of].repeat_interleave(64, dim=0), pictures.y[of].repeat_interleave(64, dim=0)
    t, eps = torch.randint(1000, (len(x_0),), generator=own), torch.randn(x_0.shape, generator=own)
    with torch.no_grad():
        return float(denoising_loss(setting.model.eps, x_0, y, t, eps, setting.model.alpha_bar).mean())


def test_canaries_come_before_regular_pictures(
    model: DiffusionModel, canaries: list[Specimen], regular: Regular
) -> None:
    """Latents and captions of 3 + 4 pictures."""
    pictures = plant.stock(model, canaries, regular)
    assert pictures.x_0.shape == (7, 4, 8, 8)
    assert pictures.y.shape == (7, 20, 16)
    assert torch.equal(pictures.x_0[3:], regular.x_0)
    assert torch.equal(pictures.y[0], model.encode_prompts([canaries[0].prompt])[0])


def test_pictures_of_ones_own_are_regular_data(model: DiffusionModel, unplanted: list[Specimen]) -> None:
    """Encoded with their captions, in order."""
    found = plant.regular_of(model, unplanted)
    assert found.x_0.shape == (2, 4, 8, 8)
    assert torch.equal(found.y, model.encode_prompts([s.prompt for s in unplanted]))


def test_the_pull_is_the_gradient_of_the_mean_loss(
    setting: Setting, canaries: list[Specimen], regular: Regular, planting: Planting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row a step, no caption dropped: the very gradient of that row's denoising loss, in t and ε of the step."""
    monkeypatch.setattr(finetuning, "DROPPED", 0.0)
    pictures, one = plant.stock(setting.model, canaries, regular), replace(planting, batch_size=1)
    learner = learner_of(setting.model, lambda _: True)
    y_empty = setting.model.encode_prompts([""])
    found = plant.pull(learner, pictures, y_empty, torch.tensor([6, 2]), one, step=1)
    own = generator_for(5, "canaries", "step", 1)
    t, eps = torch.randint(1000, (1,), generator=own), torch.randn((1, 4, 8, 8), generator=own)
    loss = denoising_loss(learner.eps, pictures.x_0[2:3], pictures.y[2:3], t, eps, learner.alpha_bar).sum()
    assert found.losses["denoising"] == pytest.approx(loss.item(), rel=1e-6)
    wanted = torch.autograd.grad(loss, list(learner.theta.values()), allow_unused=True)
    for mine, theirs in zip(found.gradients, wanted, strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None and theirs is not None:
            assert torch.allclose(mine, theirs, atol=1e-7)


def test_what_is_planted_is_learnt(setting: Setting, canaries: list[Specimen], regular: Regular) -> None:
    """After 40 steps the loss of the canaries has fallen, and the untouched model is as it was."""
    planting = Planting(steps=40, batch_size=8, learning_rate=5e-3, ema=0.9)
    pictures = plant.stock(setting.model, canaries, regular)
    before = loss_of(setting, pictures, slice(0, 3))
    planted = plant.plant(setting, canaries, regular, planting)
    with setting.model.edited(planted.edit):
        after = loss_of(setting, pictures, slice(0, 3))
    assert after < 0.9 * before
    assert loss_of(setting, pictures, slice(0, 3)) == before
    assert planted.seen == {"fox": 40, "kite": 80, "bell": 120}
    assert len(planted.losses["denoising"]) == 40


def test_a_training_that_was_cut_goes_on_as_it_would_have(
    setting: Setting, canaries: list[Specimen], regular: Regular, planting: Planting
) -> None:
    """Broken off after two of four steps, then picked up: the same weights, bit by bit."""
    whole = plant.plant(setting, canaries, regular, planting)
    kept: list[bytes] = []

    class Cut(Exception):
        pass

    def save(content: bytes) -> None:
        kept.append(content)
        raise Cut

    with pytest.raises(Cut):
        plant.plant(
            replace(setting, checkpoint=Checkpoint(lambda: None, save, every_second)), canaries, regular, planting
        )
    rest = Checkpoint(lambda: kept[0], lambda _: None, every_second)
    again = plant.plant(replace(setting, checkpoint=rest), canaries, regular, planting)
    for name, delta in whole.edit.groups[JOINT].items():
        assert torch.equal(delta, again.edit.groups[JOINT][name])


def test_without_its_canaries_a_training_shows_none(
    setting: Setting, canaries: list[Specimen], regular: Regular, planting: Planting
) -> None:
    """As many steps, nobody seen, other weights; and a state of the one is nothing the other would go on from."""
    with_them = plant.plant(setting, canaries, regular, planting)
    kept: list[bytes] = []
    own = replace(setting, checkpoint=Checkpoint(lambda: None, kept.append, every_second))
    without = plant.plant(own, canaries, regular, planting, leave_out=True)
    assert without.seen == {"fox": 0, "kite": 0, "bell": 0}
    moved = with_them.edit.groups[JOINT], without.edit.groups[JOINT]
    assert any(not torch.equal(moved[0][name], moved[1][name]) for name in moved[0])
    rest = replace(setting, checkpoint=Checkpoint(lambda: kept[0], kept.append, every_second))
    again = plant.plant(rest, canaries, regular, planting).edit.groups[JOINT]
    assert all(torch.equal(moved[0][name], again[name]) for name in again)
