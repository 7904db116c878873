"""The loop that trains, by hand and across a break."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from safetensors.torch import load
from torch import Tensor

from palimpsest.contract.methods import EsdParams
from worker.engine import finetuning, own_draws
from worker.engine.edits import JOINT
from worker.engine.errors import MethodFailed
from worker.engine.finetuning import Course, Learner, Pull, Recipe
from worker.engine.items import Item
from worker.engine.model import DiffusionModel, Work
from worker.engine.parts import Parts
from worker.engine.setting import Checkpoint, Setting

BIAS = "conv_in.bias"


def own(model: DiffusionModel) -> DiffusionModel:
    """The same model with work and parts of its own, for whoever counts them."""
    kept = {f.name: getattr(model, f.name) for f in fields(DiffusionModel)}
    return DiffusionModel(**{**kept, "work": Work(), "parts_with_gradient": Parts(256)})


def course(model: DiffusionModel, own: dict[str, Tensor] | None = None, **recipe: Any) -> Course:
    """A training of eight numbers, the bias of the first convolution."""
    values = {"steps": 4, "learning_rate": 0.1, **recipe}
    return Course(finetuning.learner_of(model, lambda name: name == BIAS), Recipe(**values), "this one", own or {})


def constant(value: float) -> Callable[[int], Pull]:
    """Every number is pulled by the same."""
    return lambda _: Pull([torch.full((8,), value)], {"loss": value})


def test_a_learner_is_a_copy_that_shares_the_work(model: DiffusionModel) -> None:
    """Its weights are others with the same bits; of them the wanted ones collect gradients; what it does is counted."""
    counted = own(model)
    learner = finetuning.learner_of(counted, lambda name: "attn2" in name)
    assert all("attn2" in name for name in learner.theta)
    assert len(learner.theta) == 15
    assert not any(W.requires_grad for W in model.unet.parameters())
    for name, W in learner.unet.named_parameters():
        assert W is not model.unet.get_parameter(name)
        assert torch.equal(W, model.unet.get_parameter(name))
    x_t, t, y = torch.randn(3, 4, 8, 8), torch.tensor([1, 500, 999]), torch.randn(3, 20, 16)
    out = learner.eps(x_t, t, y)
    assert out.requires_grad
    assert (counted.work.forwards, counted.work.forwards_with_gradient) == (0, 3)
    with torch.no_grad():
        assert torch.equal(learner.eps(x_t, t, y), out)
    assert (counted.work.forwards, counted.work.forwards_with_gradient) == (3, 3)
    assert torch.equal(model.eps(x_t, t, y), out)


def test_a_model_without_such_weights_is_refused(model: DiffusionModel) -> None:
    """There is nothing to train."""
    with pytest.raises(MethodFailed, match="none of the weights"):
        finetuning.learner_of(model, lambda name: "attn3" in name)


def test_gradients_add_up_over_parts(model: DiffusionModel) -> None:
    """Five rows at once and in parts of two, two and one: the same gradient and sum, five rows counted either way."""
    x_t, t, y = torch.randn(5, 4, 8, 8), torch.full((5,), 300), torch.randn(5, 20, 16)
    found = []
    for most in (5, 2):
        counted = replace_parts(own(model), most)
        learner = finetuning.learner_of(counted, lambda name: name.startswith("mid_block") or "time" in name)
        asked: list[slice] = []

        def terms(of: slice, learner: Learner = learner, asked: list[slice] = asked) -> Tensor:
            asked.append(of)
            return learner.eps(x_t[of], t[of], y[of]).pow(2).flatten(1).mean(dim=1) / 5

        found.append(finetuning.gradient(learner, 5, terms))
        assert [of.stop - of.start for of in asked] == ([5] if most == 5 else [2, 2, 1])
        assert (counted.work.forwards, counted.work.forwards_with_gradient) == (0, 5)
    (at_once, loss), (in_parts, again) = found
    assert loss == pytest.approx(again, rel=1e-5)
    for one, other in zip(at_once, in_parts, strict=True):
        assert one is not None
        assert other is not None
        assert torch.allclose(one, other, atol=1e-6)


def replace_parts(model: DiffusionModel, most: int) -> DiffusionModel:
    """So many rows with gradient at once."""
    model.parts_with_gradient = Parts(most)
    return model


def test_a_weight_that_is_not_used_is_not_moved(model: DiffusionModel) -> None:
    """No row's prediction depends on it: no gradient, and no decay either."""
    learner = finetuning.learner_of(model, lambda name: name in (BIAS, "conv_out.bias"))
    gradients, _ = finetuning.gradient(learner, 2, lambda _: learner.unet.get_parameter(BIAS).sum().expand(2))
    assert [None if g is None else g.tolist() for g in gradients] == [[2.0] * 8, None]
    taken = Course(learner, Recipe(1, 0.1, weight_decay=0.5), "")
    taken.take(Pull(gradients, {}))
    assert torch.equal(learner.theta["conv_out.bias"], model.unet.get_parameter("conv_out.bias"))


def test_one_step_by_hand(model: DiffusionModel) -> None:
    """
    AdamW from rest: θ ← θ·(1 − η·λ) − η·g/(|g| + 10⁻⁸); with η = 0.1, λ = 0.5, g = 3 it is 0.95·θ − 0.1
    """
    before = model.unet.get_parameter(BIAS).clone()
    taken = course(model, weight_decay=0.5)
    taken.take(constant(3.0)(0))
    assert torch.allclose(taken.theta[BIAS], 0.95 * before - 0.1, atol=1e-6)
    assert (taken.step, taken.losses) == (1, {"loss": [3.0]})
    assert torch.equal(model.unet.get_parameter(BIAS), before)


def test_a_long_gradient_is_shortened(model: DiffusionModel) -> None:
    """
    g = 3 eight times has norm 3·√8; clipped to 1 every entry is 1/√8, and a tenth of it is Adam's first mean
    a gradient of norm 0.1·√8 < 1 stays as it is
    """
    for value, expected in ((3.0, 0.1 / 8**0.5), (0.1, 0.01)):
        taken = course(model, clip=1.0)
        taken.take(constant(value)(0))
        mean = taken.optimizer.state[taken.theta[BIAS]]["exp_avg"]
        assert torch.allclose(mean, torch.full((8,), expected), atol=1e-6)


def test_the_average_by_hand(model: DiffusionModel, setting: Setting) -> None:
    """
    d = 0.75 and two steps of −0.1:  θ̄ = 0.75·(0.75·θ + 0.25·(θ − 0.1)) + 0.25·(θ − 0.2) = θ − 0.06875
    with an average Δ is the average's, without it the last weights'
    """
    for ema, moved in ((0.75, -0.06875), (None, -0.2)):
        taken = course(model, steps=2, ema=ema)
        edit = finetuning.train(setting, taken, constant(3.0))
        assert torch.allclose(edit.groups[JOINT][BIAS], torch.full((8,), moved), atol=1e-6)
        assert (edit.what, edit.size, list(edit.groups[JOINT])) == ("delta", 8, [BIAS])


def test_a_loss_that_is_no_number_ends_the_training(model: DiffusionModel) -> None:
    """With the step and a hint, before the weights are touched."""
    taken = course(model)
    with pytest.raises(MethodFailed, match="step 0: try a smaller learning_rate"):
        taken.take(constant(float("nan"))(0))
    assert torch.equal(taken.theta[BIAS], model.unet.get_parameter(BIAS))


class Shelf:
    """Keeps what is saved; breaks the training off after some saves."""

    def __init__(self, kept: bytes | None = None, breaks_after: int = 99) -> None:
        self.kept, self.breaks_after = kept, breaks_after
        self.saved: list[bytes] = []
        self.heard: list[tuple[int, int]] = []

    def save(self, content: bytes) -> None:
        """Remember it; the last one is one too many."""
        self.saved.append(content)
        if len(self.saved) == self.breaks_after:
            raise InterruptedError

    def checkpoint(self, every: int = 1) -> Checkpoint:
        """As a setting carries it."""
        return Checkpoint(
            lambda: self.kept,
            self.save,
            lambda step: step % every == 0,
            lambda done, of: self.heard.append((done, of)),
        )


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_training_picked_up_is_the_one_never_broken_off(model: DiffusionModel, setting: Setting, done: int) -> None:
    """Whatever the step: the same Δ bit by bit, losses, own state and, counted from its start, cost."""

    def run(shelf: Shelf) -> tuple[Course, Work, bytes]:
        counted = own(model)
        counted.work.forwards = 1000 * shelf.breaks_after
        taken = course(counted, {"pool": torch.zeros(2)}, ema=0.5, clip=1.0, weight_decay=0.1)

        def pull(step: int) -> Pull:
            counted.work.forwards += 3
            counted.work.forwards_with_gradient += 5
            taken.own["pool"][step % 2] += step + 1
            g = torch.randn(8, generator=torch.Generator().manual_seed(step)) + taken.theta[BIAS].detach()
            return Pull([g * taken.own["pool"][0]], {"loss": float(g.sum()), "another": float(step)})

        try:
            edit = finetuning.train(replace(setting, model=counted, checkpoint=shelf.checkpoint()), taken, pull)
        finally:
            counted.work.forwards -= 1000 * shelf.breaks_after
        return taken, counted.work, edit.dumps()

    whole = Shelf()
    expected, cost, edit = run(whole)
    broken = Shelf(breaks_after=done)
    with pytest.raises(InterruptedError):
        run(broken)
    again = Shelf(kept=broken.saved[-1])
    found, other_cost, other_edit = run(again)
    assert other_edit == edit
    assert (list(found.losses.items()), found.step) == (list(expected.losses.items()), 4)
    assert torch.equal(found.own["pool"], expected.own["pool"])
    assert (other_cost.forwards, other_cost.forwards_with_gradient) == (cost.forwards, cost.forwards_with_gradient)
    assert (cost.forwards, cost.forwards_with_gradient) == (12, 20)
    assert [*broken.saved, *again.saved] == whole.saved
    assert whole.heard == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert again.heard == whole.heard[done:]


def test_it_is_kept_as_often_as_asked_and_not_when_it_is_over(model: DiffusionModel, setting: Setting) -> None:
    """Every second of four steps: after the second; after the fourth there is a Δ instead."""
    shelf = Shelf()
    finetuning.train(replace(setting, checkpoint=shelf.checkpoint(every=2)), course(model), constant(1.0))
    assert len(shelf.saved) == 1


def test_the_state_of_another_training_is_left_alone(model: DiffusionModel, setting: Setting) -> None:
    """This one begins anew: four steps of −0.1, and no cost but its own."""
    other = course(model)
    other.identity = "another one"
    other.take(constant(1.0)(0))
    shelf = Shelf(kept=other.dumps(100, 100))
    counted = own(model)
    taken = course(counted)
    edit = finetuning.train(replace(setting, model=counted, checkpoint=shelf.checkpoint()), taken, constant(1.0))
    assert torch.allclose(edit.groups[JOINT][BIAS], torch.full((8,), -0.4), atol=1e-5)
    assert shelf.heard == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (counted.work.forwards, counted.work.forwards_with_gradient) == (0, 0)


def test_a_mark_makes_the_bytes_ones_own(model: DiffusionModel, setting: Setting) -> None:
    """Two trainings in the same state keep the same tensors in different bytes, and either goes on from both."""
    kept = []
    for mark in ("unit 1 under fence 1", "unit 1 under fence 2"):
        shelf = Shelf()
        marked = replace(shelf.checkpoint(), mark=mark)
        finetuning.train(replace(setting, checkpoint=marked), course(model, steps=2), constant(1.0))
        kept += shelf.saved
    one, other = kept
    assert one != other
    assert all(torch.equal(value, load(other)[name]) for name, value in load(one).items())
    for content in kept:
        again = course(model)
        again.loads(content)
        assert again.step == 1


@pytest.fixture
def surroundings(setting: Setting, targets: list[Item]) -> dict[str, tuple[Setting, list[Item], EsdParams]]:
    """A training's, and others that differ from it in one thing each."""
    params, first = EsdParams(), targets[0]
    descriptor, sampler = setting.descriptor, setting.sampler
    other_picture = replace(first, picture=first.picture.flip(2))
    return {
        "this one": (setting, targets, params),
        "parameter": (setting, targets, EsdParams(eta=1.5)),
        "seed": (replace(setting, seed=1), targets, params),
        "weights": (replace(setting, model=replace(setting.model, digest="0" * 64)), targets, params),
        "sampling steps": (replace(setting, sampler=replace(sampler, steps=3)), targets, params),
        "guidance": (replace(setting, sampler=replace(sampler, guidance=2.0)), targets, params),
        "a neutral prompt less": (replace(setting, neutral=setting.neutral[1:]), targets, params),
        "their order": (replace(setting, neutral=setting.neutral[::-1]), targets, params),
        "descriptor": (replace(setting, descriptor=replace(descriptor, digest="0" * 64)), targets, params),
        "its preprocessing": (replace(setting, descriptor=replace(descriptor, side=16)), targets, params),
        "a target less": (setting, targets[:2], params),
        "a caption": (setting, [replace(first, prompt="a fox"), *targets[1:]], params),
        "a picture": (setting, [other_picture, *targets[1:]], params),
        "another picture of it": (setting, [replace(first, others=(other_picture.picture,)), *targets[1:]], params),
    }


def test_the_identity_is_the_whole_of_what_a_training_depends_on(
    surroundings: dict[str, tuple[Setting, list[Item], EsdParams]],
) -> None:
    """Whatever one thing is another, the identity is another; effort and thresholds, which no training asks, do not."""
    found = {name: finetuning.identity(*these) for name, these in surroundings.items()}
    assert len(set(found.values())) == len(surroundings)
    setting, targets, _ = surroundings["this one"]
    descriptor = replace(setting.descriptor, threshold=0.9)
    same = replace(setting, effort=replace(setting.effort, images=9), descriptor=descriptor)
    assert finetuning.identity(same, [replace(item) for item in targets], EsdParams()) == found["this one"]


def test_equal_identities_draw_the_same(setting: Setting, targets: list[Item]) -> None:
    """Regular pictures and stand-ins bit by bit, so that they need no place in it; with another sampler neither."""

    def drawn(on: Setting) -> list[Tensor]:
        stand_ins = own_draws.stand_ins(on, targets, 1)
        return [own_draws.regular(on, 2).x_0, stand_ins.x_0, stand_ins.y]

    first = drawn(setting)
    assert all(torch.equal(one, other) for one, other in zip(first, drawn(replace(setting)), strict=True))
    others = drawn(replace(setting, sampler=replace(setting.sampler, steps=3)))
    assert not torch.equal(first[0], others[0])
    assert not torch.equal(first[1], others[1])


def test_a_caption_in_ten_is_dropped() -> None:
    """Of 1000 about 100 give way to the empty one, whole; the others stay as they are."""
    y, y_empty = torch.randn(1000, 2, 3), torch.zeros(1, 2, 3)
    after = finetuning.dropped(y, y_empty, torch.Generator().manual_seed(0))
    gone = after.eq(0).flatten(1).all(dim=1)
    assert 70 < int(gone.sum()) < 130
    assert torch.equal(after[~gone], y[~gone])


def test_the_norm_by_hand() -> None:
    """√(3² + 4² + 12²) = 13; what has no gradient adds nothing."""
    assert finetuning.norm([torch.tensor([3.0, 4.0]), None, torch.tensor([[12.0]])]) == pytest.approx(13.0)


def test_the_report_is_told_how_far_the_weights_moved(model: DiffusionModel, setting: Setting) -> None:
    """
    Ten steps of 0.1 each move eight numbers by ‖Δ‖ = √8; the losses are those of the first and the last step
    """
    taken = course(model, steps=10)
    edit = finetuning.train(setting, taken, lambda step: Pull([torch.ones(8)], {"loss": float(step)}))
    share = 8**0.5 / float(model.unet.get_parameter(BIAS).norm())
    said = finetuning.told(setting, EsdParams(id="mine"), taken, edit)
    assert said == f"mine: 10 steps moved 8 weights by {share:.2g} of their norm; loss loss 0, at the end 9"
