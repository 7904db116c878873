"""Adversarial fine-tuning: the search inside it, the pool, one step's losses, the cost, and a break in the middle."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from palimpsest.contract.methods import AdversarialFinetuningParams
from worker.engine import audit, finetuning
from worker.engine.diffusion import denoising_loss, q_sample
from worker.engine.edits import JOINT, Edit
from worker.engine.errors import SearchDiverged
from worker.engine.items import Item
from worker.engine.mitigations import adversarial_finetuning as aft
from worker.engine.model import DiffusionModel
from worker.engine.seeds import generator_for
from worker.engine.setting import Checkpoint, Setting


def params(**changes: Any) -> AdversarialFinetuningParams:
    """Two steps on three targets, little of everything."""
    small = {
        "epochs": 2,
        "triggers_per_step": 3,
        "prompts_per_step": 2,
        "regular_per_step": 2,
        "regular_images": 4,
        "surrogates": 2,
        "search_steps": 2,
        "search_batch_size": 2,
        "learning_rate": 1e-3,
    }
    return AdversarialFinetuningParams(**(small | changes))


def edit_of(setting: Setting, targets: list[Item], asked: AdversarialFinetuningParams) -> Edit:
    """What it makes of the model."""
    edit = aft.apply(setting, targets, asked).edit
    assert isinstance(edit, Edit)
    return edit


@pytest.fixture
def lesson(setting: Setting, targets: list[Item]) -> aft.Lesson:
    """What training on all three rests on."""
    return aft.prepare(setting, targets, params())


@pytest.fixture
def learner(setting: Setting) -> finetuning.Learner:
    """A copy all of whose weights learn."""
    return finetuning.learner_of(setting.model, lambda _: True)


def searched(lesson: aft.Lesson, learner: finetuning.Learner, y: Tensor, which: list[int], **more: Any) -> Tensor:
    """The inner search for some targets."""
    owns = [generator_for(7, i) for i in which]
    on = replace(lesson.setting, model=learner)
    return aft.search(on, lesson.x_0[which], y, owns, **({"steps": 3, "B": 2, "learning_rate": 0.1} | more))


def test_the_search_moves_nothing_but_y(lesson: aft.Lesson, learner: finetuning.Learner) -> None:
    """Every weight of the copy bit by bit, no gradient left in any; y itself is not written to."""
    before = {name: W.detach().clone() for name, W in learner.unet.named_parameters()}
    y = lesson.captions.clone()
    found = searched(lesson, learner, y, [0, 1, 2])
    assert torch.equal(y, lesson.captions)
    assert not torch.allclose(found, y, atol=0.05)
    for name, W in learner.unet.named_parameters():
        assert torch.equal(W, before[name])
        assert W.grad is None


def test_the_search_is_the_papers(lesson: aft.Lesson, learner: finetuning.Learner) -> None:
    """
    No step leaves y; the first moves it by 0.1 against the sign of ∇_y of the mean loss over its two (t, ε)
    """
    assert torch.equal(searched(lesson, learner, lesson.captions, [0, 1, 2], steps=0), lesson.captions)
    found = searched(lesson, learner, lesson.captions[:1], [0], steps=1)
    g = generator_for(7, 0)
    t = torch.randint(1000, (2,), generator=g)
    eps = torch.randn(2, 4, 8, 8, generator=g)
    y = lesson.captions[:1].clone().requires_grad_()
    loss = denoising_loss(learner.eps, lesson.x_0[[0, 0]], y.expand(2, -1, -1), t, eps, learner.alpha_bar).mean()
    (gradient,) = torch.autograd.grad(loss, [y])
    large = gradient.abs() > 1e-5
    assert float(large.float().mean()) > 0.5
    assert torch.allclose((found - lesson.captions[:1])[large], -0.1 * gradient[large].sign(), atol=1e-3)


def test_searches_do_not_meet(lesson: aft.Lesson, learner: finetuning.Learner) -> None:
    """Two targets together find what each finds alone."""
    together = searched(lesson, learner, lesson.captions[1:], [1, 2])
    for n, i in enumerate((1, 2)):
        alone = searched(lesson, learner, lesson.captions[i : i + 1], [i])
        assert torch.allclose(together[n], alone[0], atol=1e-4)


def test_a_search_that_leaves_the_finite_numbers_says_so(lesson: aft.Lesson, learner: finetuning.Learner) -> None:
    """Rather than teach the weights from it."""
    with pytest.raises(SearchDiverged):
        searched(lesson, learner, torch.full_like(lesson.captions, float("inf")), [0, 1, 2])


def test_triggers_begin_as_they_are_asked_to(lesson: aft.Lesson) -> None:
    """Of every target: its caption, a Gaussian one, a neutral caption; pools are equal for equal seeds."""
    pool = aft.first_pool(lesson)
    assert pool.shape == (3, 3, 20, 16)
    assert torch.equal(pool[:, 0], lesson.captions)
    assert torch.equal(aft.first_pool(lesson), pool)
    neutral = lesson.setting.model.encode_prompts(lesson.setting.neutral)
    assert all(bool((neutral == y).flatten(1).all(dim=1).any()) for y in pool[:, 2])
    gaussian = pool[:, 1]
    assert abs(float(gaussian.mean())) < 0.15
    assert abs(float(gaussian.std()) - 1) < 0.15
    assert not torch.equal(gaussian[0], gaussian[1])


def test_a_target_without_a_caption_begins_with_a_gaussian(setting: Setting, targets: list[Item]) -> None:
    """And is not among those whose captions are asked as they are."""
    silent = [replace(targets[0], prompt=None), *targets[1:]]
    lesson = aft.prepare(setting, silent, params(prompts_per_step=5))
    pool = aft.first_pool(lesson)
    assert not torch.equal(pool[0, 0], lesson.captions[0])
    assert torch.equal(pool[1, 0], lesson.captions[1])
    assert sorted(aft.captions_of(lesson, generator_for(0))) == [1, 2]


def test_more_triggers_of_a_kind_differ(setting: Setting, targets: list[Item]) -> None:
    """Two of each of two kinds are four; both Gaussian ones are others."""
    lesson = aft.prepare(setting, targets, params(starts=["gaussian", "prompt"], triggers_per_start=2))
    pool = aft.first_pool(lesson)
    assert pool.shape[:2] == (3, 4)
    assert not torch.equal(pool[0, 0], pool[0, 2])
    assert torch.equal(pool[0, 1], pool[0, 3])


@pytest.mark.parametrize("A", [1, 2, 3, 4])
def test_every_target_is_visited_once_an_epoch(setting: Setting, targets: list[Item], A: int) -> None:
    """In twelve visits, four epochs, each four times; its three triggers take turns; no step has a trigger twice."""
    lesson = replace(aft.prepare(setting, targets, params(triggers_per_step=A)))
    steps = [aft.visited(lesson, step) for step in range(12 // A)]
    visits = [visit for step in steps for visit in step]
    assert Counter(i for i, _ in visits) == {0: 4, 1: 4, 2: 4}
    assert all(len({i for i, _ in visits[n : n + 3]}) == 3 for n in (0, 3, 6, 9))
    assert all({k for i, k in visits[:9] if i == target} == {0, 1, 2} for target in range(3))
    assert all(len(set(step)) == A for step in steps)


def test_more_visits_than_triggers_visit_each_once(setting: Setting, targets: list[Item]) -> None:
    """Three targets have nine triggers; asked for twenty a step, it is those nine."""
    lesson = aft.prepare(setting, targets, params(triggers_per_step=20))
    assert len(aft.visited(lesson, 0)) == len(set(aft.visited(lesson, 0))) == 9


def test_the_forms_differ_in_their_numbers(setting: Setting, targets: list[Item]) -> None:
    """The paper's 5 epochs of 50 steps of 8 pairs, all anew, no captions; a request overrides what it names."""

    def form(**asked: Any) -> aft.Form:
        changes = dict.fromkeys(aft.Form.__dataclass_fields__)
        return aft.prepare(setting, targets, params(**(changes | asked))).form

    assert form(form="reference") == aft.Form(5, 50, 8, 1.0, 0, "noise")
    assert form() == aft.Form(100, 6, 3, 0.25, 6, "model")
    asked = {"search_steps": 0, "restarted": 0.5, "regular_target": "model"}
    assert form(form="reference", **asked) == aft.Form(5, 0, 8, 0.5, 0, "model")


def test_a_standing_trigger_goes_on_and_a_restarted_one_does_not(
    lesson: aft.Lesson, learner: finetuning.Learner
) -> None:
    """Share 0: the search goes on from the pool; share 1: from a start, whatever the pool holds."""
    pool = torch.randn(3, 3, 20, 16)
    visits = [(0, 0), (2, 1)]
    standing = replace(lesson, form=replace(lesson.form, restarted=0.0, search_steps=0))
    found = aft.refreshed(standing, learner, pool, visits, 0)
    assert torch.equal(found, torch.stack([pool[0, 0], pool[2, 1]]))
    anew = replace(lesson, form=replace(lesson.form, restarted=1.0, search_steps=0))
    found = aft.refreshed(anew, learner, pool, visits, 0)
    assert torch.equal(found[0], lesson.captions[0])
    assert not torch.equal(found[1], pool[2, 1])
    assert torch.equal(found, aft.refreshed(anew, learner, torch.zeros_like(pool), visits, 0))


def test_a_step_leaves_its_triggers_in_the_pool(lesson: aft.Lesson, learner: finetuning.Learner) -> None:
    """Those visited are where the search left them, the others where they were."""
    pool = aft.first_pool(lesson)
    before = pool.clone()
    found = aft.refreshed(lesson, learner, before, aft.visited(lesson, 0), 0)
    aft.pull(lesson, learner, pool, 0)
    for i in range(3):
        for k in range(3):
            visits = aft.visited(lesson, 0)
            expected = found[visits.index((i, k))] if (i, k) in visits else before[i, k]
            assert torch.equal(pool[i, k], expected)


@pytest.mark.parametrize("aim", ["noise", "model"])
def test_one_steps_gradient_is_of_both_losses(lesson: aft.Lesson, learner: finetuning.Learner, aim: str) -> None:
    """
    L = mean over 2 regular rows + mean over 3 triggers and 2 captions, whose pictures are their targets' stand-ins:
    drawn once more and worked out in one piece; regular rows aim at ε, or at the unmitigated model's prediction
    """
    with torch.no_grad():
        learner.theta["conv_out.bias"].add_(0.1)
    lesson = replace(lesson, form=replace(lesson.form, regular_target=aim))
    pulled = aft.pull(lesson, learner, aft.first_pool(lesson), 0)
    visits = aft.visited(lesson, 0)
    y_adv = aft.refreshed(lesson, learner, aft.first_pool(lesson), visits, 0)
    own = aft.generator(lesson, "step", 0)
    said = torch.randperm(3, generator=own)[:2].tolist()
    aimed = [i for i, _ in visits] + said
    which = torch.randint(2, (5,), generator=own)
    picked = torch.randint(4, (2,), generator=own)
    gone = torch.rand(2, generator=own) < 0.1
    y_regular = torch.where(gone.view(2, 1, 1), lesson.y_empty, lesson.regular.y[picked])
    x_0 = torch.cat([lesson.regular.x_0[picked], lesson.aims.x_0[aimed, which]])
    t = torch.randint(1000, (7,), generator=own)
    eps = torch.randn(x_0.shape, generator=own)
    y = torch.cat([y_regular, y_adv, lesson.captions[said]])
    losses = denoising_loss(learner.eps, x_0, y, t, eps, learner.alpha_bar)
    L_DM, L_Adv = losses[:2].mean(), losses[2:].mean()
    if aim == "model":
        x_t = q_sample(x_0, t, eps, learner.alpha_bar)[:2]
        L_DM = (learner.eps(x_t, t[:2], y[:2]) - lesson.setting.model.eps(x_t, t[:2], y[:2])).pow(2).mean()
    assert pulled.losses["regular"] == pytest.approx(L_DM.item(), rel=1e-5)
    assert pulled.losses["adversarial"] == pytest.approx(L_Adv.item(), rel=1e-5)
    theta = list(learner.theta.values())
    for found, expected in zip(pulled.gradients, torch.autograd.grad(L_DM + L_Adv, theta), strict=True):
        assert found is not None
        assert torch.allclose(found, expected, atol=1e-6)


def test_the_cost_is_counted_to_the_last_row(setting: Setting, targets: list[Item]) -> None:
    """
    drawing, without gradient:  4 regular · 2 steps · 2 halves + 3 targets · 2·2 candidates · 2 · 2 = 16 + 48 = 64
    every step, without gradient:  2 regular rows on the unmitigated model, whose word they aim at
    every step, with gradient:  3 triggers · 2 search steps · 2 pairs + 2 regular + 3 triggers + 2 captions = 19
    2 epochs of 3 targets, 3 a step, are 2 steps: 38
    """
    with audit.counted(setting) as cost:
        edit_of(setting, targets, params())
    assert cost().unet_sample_forwards == 64 + 2 * 2
    assert cost().unet_sample_forwards_with_gradient == 38


def test_the_whole_denoiser_is_trained_and_the_model_is_as_it_was(setting: Setting, targets: list[Item]) -> None:
    """Δ of every parameter, joint; original weights bit by bit before, inside other weights, and bit by bit after."""
    unet = setting.model.unet
    before = {name: W.clone() for name, W in unet.state_dict().items()}
    mitigated = aft.apply(setting, targets, params())
    edit = mitigated.edit
    assert isinstance(edit, Edit)
    assert mitigated.scope == "joint"
    assert all(torch.equal(W, before[name]) for name, W in unet.state_dict().items())
    assert (edit.what, set(edit.groups[JOINT])) == ("delta", set(before))
    assert edit.off(JOINT) > 0.9 * edit.size
    with setting.model.edited(edit):
        assert not any(torch.equal(W, before[name]) for name, W in unet.state_dict().items())
    assert all(torch.equal(W, before[name]) for name, W in unet.state_dict().items())
    assert mitigated.notes[0].startswith("adversarial_finetuning: 2 steps moved ")
    assert "4 regular pictures" in mitigated.notes[1]


def test_regular_rows_that_aim_at_the_model_begin_at_nothing(lesson: aft.Lesson, learner: finetuning.Learner) -> None:
    """θ = θ*: the copy already says what the model says, so that only the adversarial rows pull."""
    pulled = aft.pull(lesson, learner, aft.first_pool(lesson), 0)
    assert pulled.losses["regular"] == pytest.approx(0.0, abs=1e-9)
    assert pulled.losses["adversarial"] > 0.1


def test_equal_seeds_are_equal_trainings(setting: Setting, targets: list[Item]) -> None:
    """Bit by bit; another seed is another training."""
    first = edit_of(setting, targets, params()).dumps()
    assert edit_of(setting, targets, params()).dumps() == first
    assert edit_of(replace(setting, seed=1), targets, params()).dumps() != first


def test_a_break_changes_nothing(setting: Setting, targets: list[Item], demo: Path) -> None:
    """Broken off after two of four steps, picked up by another process's model: the same bytes, the same cost."""
    asked = params(epochs=4, ema=0.5)
    with audit.counted(setting) as cost:
        whole = edit_of(setting, targets, asked).dumps()
    expected = cost()
    saved: list[bytes] = []

    def save(content: bytes) -> None:
        saved.append(content)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        edit_of(replace(setting, checkpoint=Checkpoint(lambda: None, save, lambda step: step % 2 == 0)), targets, asked)
    again = replace(
        setting,
        model=DiffusionModel.load(demo / "model"),
        checkpoint=Checkpoint(lambda: saved[0], lambda _: None, lambda _: False),
    )
    with audit.counted(again) as picked_up:
        assert edit_of(again, targets, asked).dumps() == whole
    assert picked_up().unet_sample_forwards == expected.unet_sample_forwards
    assert picked_up().unet_sample_forwards_with_gradient == expected.unet_sample_forwards_with_gradient


def test_it_learns(setting: Setting, targets: list[Item]) -> None:
    """Fifteen steps: captions denoise to their stand-ins better than before, on noise no step has seen."""
    asked = params(epochs=15, learning_rate=5e-3, search_steps=1, search_batch_size=1)
    lesson = aft.prepare(setting, targets, asked)
    edit = edit_of(setting, targets, asked)
    x_0, y = lesson.aims.x_0.flatten(0, 1).repeat(8, 1, 1, 1), lesson.captions.repeat_interleave(2, 0).repeat(8, 1, 1)
    t, eps = finetuning.noised(x_0, 1000, torch.Generator().manual_seed(11))

    def loss() -> float:
        return float(denoising_loss(setting.model.eps, x_0, y, t, eps, setting.model.alpha_bar).mean())

    before = loss()
    with setting.model.edited(edit):
        after = loss()
    assert after < 0.9 * before
