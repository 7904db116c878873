"""The search, step by step."""

import json
import shutil
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from palimpsest.contract.methods import AdversarialEmbeddingParams
from worker.engine.diffusion import denoising_loss
from worker.engine.edits import JOINT, Edit
from worker.engine.errors import OutOfMemory
from worker.engine.items import Answer, Item, Trial
from worker.engine.model import DiffusionModel
from worker.engine.probes import adversarial_embedding as dori
from worker.engine.search import SELECTION_PAIRS
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting
from worker.tests import tiny

KIND = "adversarial_embedding"


def trials(*items: Item) -> list[Trial]:
    """On the unmitigated model."""
    return [Trial(item, JOINT, None) for item in items]


def params(**changes: Any) -> AdversarialEmbeddingParams:
    """A short search of small batches."""
    return AdversarialEmbeddingParams(**({"steps": 3, "batch_size": 2} | changes))


def searched(setting: Setting, on: list[Trial], asked: AdversarialEmbeddingParams) -> list[Answer]:
    """Every trial's answer, where every trial has one."""
    answers = [answer for answer in dori.run(setting, on, asked) if answer is not None]
    assert len(answers) == len(on)
    return answers


def found(answer: Answer | None) -> Tensor:
    """The embedding a search ended on."""
    assert answer is not None
    assert answer.embedding is not None
    return answer.embedding


def draws(setting: Setting, *purpose: str | int, pairs: int) -> tuple[Tensor, Tensor]:
    """The first (t, ε) of a search: t from 0 … 999, then ε."""
    generator = generator_for(setting.seed, *purpose)
    t = torch.randint(1000, (pairs,), generator=generator)
    return t, torch.randn(pairs, 4, 8, 8, generator=generator)


def loss_of(setting: Setting, item: Item, y: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """The mean denoising loss of one embedding, written out once more."""
    x_0 = setting.latents(trials(item)).expand(len(t), -1, -1, -1)
    return denoising_loss(setting.model.eps, x_0, y.expand(len(t), -1, -1), t, eps, setting.model.alpha_bar).mean()


def test_theta_stays_bit_by_bit(setting: Setting, targets: list[Item]) -> None:
    """Only y moves; no parameter has so much as a gradient."""
    before = {name: weight.clone() for name, weight in setting.model.unet.state_dict().items()}
    searched(setting, trials(*targets), params())
    assert all(torch.equal(weight, before[name]) for name, weight in setting.model.unet.state_dict().items())
    assert all(weight.grad is None for weight in setting.model.unet.parameters())


def test_no_step_returns_the_start(setting: Setting, targets: list[Item]) -> None:
    """steps = 0: the caption's own embedding, sampled on the evaluation seeds."""
    [answer] = searched(setting, trials(targets[0]), params(steps=0))
    y = setting.model.encode_prompts([targets[0].prompt or ""])
    assert torch.equal(found(answer), y[0])
    expected = setting.draw(trials(targets[0]), y, images=2, purpose=("evaluate", "search"))
    assert torch.equal(answer.pictures, expected[0])
    assert (answer.steps, answer.loss, answer.start) == (0, (), "prompt")


def test_the_first_step_is_a_tenth_against_the_gradients_sign(setting: Setting, targets: list[Item]) -> None:
    """
    Adam from rest: Δ = −η · g/(|g| + 10⁻⁸), so that with η = 0.1 every entry whose gradient is not tiny moves by 0.1
    g is the gradient of the mean loss over this search's first two (t, ε), worked out apart
    """
    [answer] = searched(setting, trials(targets[0]), params(steps=1))
    y = setting.model.encode_prompts([targets[0].prompt or ""])[0].requires_grad_()
    loss = loss_of(setting, targets[0], y, *draws(setting, KIND, KIND, "fox", "prompt", 0, pairs=2))
    (g,) = torch.autograd.grad(loss, [y])
    moved = found(answer) - y.detach()
    assert list(answer.loss) == pytest.approx([loss.item()], abs=1e-4)
    large = g.abs() > 1e-5
    assert float(large.float().mean()) > 0.5
    assert torch.allclose(moved[large], -0.1 * g[large].sign(), atol=1e-3)
    assert float(moved.abs().max()) <= 0.1 + 1e-6


def test_the_learning_rate_is_the_requests(setting: Setting, targets: list[Item]) -> None:
    """η = 0.02 moves an entry by 0.02 at first."""
    [answer] = searched(setting, trials(targets[0]), params(steps=1, learning_rate=0.02))
    moved = found(answer) - setting.model.encode_prompts([targets[0].prompt or ""])[0]
    assert float(moved.abs().max()) == pytest.approx(0.02, abs=1e-4)


def test_a_signed_walk_moves_every_entry_by_whole_steps(setting: Setting, targets: list[Item]) -> None:
    """With η = 0.1, three steps of ±0.1 end at ±0.1 or ±0.3, where no gradient is exactly 0."""
    [answer] = searched(setting, trials(targets[0]), params(optimizer="sign", early_stop=False))
    moved = (found(answer) - setting.model.encode_prompts([targets[0].prompt or ""])[0]).abs()
    whole = torch.tensor([0.1, 0.3])
    nearest = (moved.flatten()[:, None] - whole).abs().amin(dim=1)
    assert float((nearest < 1e-5).float().mean()) > 0.95


def test_the_search_goes_downhill(setting: Setting, targets: list[Item]) -> None:
    """Over 32 (t, ε) that it never saw, the loss is lower after 20 steps than before."""
    [answer] = searched(setting, trials(targets[0]), params(steps=20, batch_size=8, early_stop=False))
    t, eps = draws(setting, "kept apart", pairs=32)
    start = setting.model.encode_prompts([targets[0].prompt or ""])[0]
    with torch.no_grad():
        assert loss_of(setting, targets[0], found(answer), t, eps) < loss_of(setting, targets[0], start, t, eps)


def test_alone_or_in_a_batch_is_the_same_search(setting: Setting, targets: list[Item], controls: list[Item]) -> None:
    """Two starts, two restarts, four trials: each alone gives the same losses and the same embedding to 1e-4."""
    asked = params(starts=["prompt", "gaussian"], restarts=2)
    together = searched(setting, trials(*targets, controls[0]), asked)
    for item, among in zip([*targets, controls[0]], together, strict=True):
        [alone] = searched(setting, trials(item), asked)
        assert alone.start == among.start
        assert alone.loss == pytest.approx(among.loss, abs=1e-4)
        assert torch.allclose(found(alone), found(among), atol=1e-4)


def test_each_search_meets_its_own_model(setting: Setting, targets: list[Item]) -> None:
    """In one batch fox's model is whole and kite's is not: each ends where it ends alone on its model."""
    masks = {path: torch.ones(width, dtype=torch.bool) for path, width in tiny.VALUE_LAYERS.items()}
    with setting.model.edited(Edit("neurons", {"fox": {}, "kite": masks}, 40)):
        fox, kite = searched(setting, [Trial(targets[0], "fox", 0), Trial(targets[1], "kite", 1)], params())
    [whole] = searched(setting, trials(targets[0]), params())
    with setting.model.edited(Edit("neurons", {JOINT: masks}, 40)):
        [silenced] = searched(setting, trials(targets[1]), params())
    assert torch.allclose(found(fox), found(whole), atol=1e-4)
    assert fox.loss == pytest.approx(whole.loss, abs=1e-4)
    assert kite.loss == pytest.approx(silenced.loss, abs=1e-4)


def test_with_all_values_off_no_embedding_matters(setting: Setting, targets: list[Item]) -> None:
    """y enters through keys and values only: without values its gradient is 0 and it stays where it was."""
    masks = {path: torch.ones(width, dtype=torch.bool) for path, width in tiny.VALUE_LAYERS.items()}
    with setting.model.edited(Edit("neurons", {JOINT: masks}, 40)):
        [answer] = searched(setting, trials(targets[0]), params())
    assert torch.equal(found(answer), setting.model.encode_prompts([targets[0].prompt or ""])[0])


def test_numbers_depend_on_what_they_are_for(setting: Setting, targets: list[Item]) -> None:
    """Another item, probe id or audit draws other noise; another role or group does not."""

    def losses(setting: Setting, item: Item, **changes: Any) -> tuple[float, ...]:
        return searched(setting, trials(item), params(steps=1, **changes))[0].loss

    fox = targets[0]
    first = losses(setting, fox)
    assert losses(setting, replace(fox, role="control")) == first
    assert searched(setting, [Trial(fox, "kite", None)], params(steps=1))[0].loss == first
    others = [
        losses(setting, replace(fox, id="vixen")),
        losses(setting, fox, id="again"),
        losses(replace(setting, seed=1), fox),
    ]
    assert len({first, *others}) == 4


def test_every_step_draws_anew(setting: Setting, targets: list[Item]) -> None:
    """y is never tied to one trajectory: two steps at a vanishing η have different losses."""
    [answer] = searched(setting, trials(targets[0]), params(steps=2, learning_rate=1e-9))
    assert answer.loss[0] != answer.loss[1]


def test_a_gaussian_start_is_standard_normal(setting: Setting, targets: list[Item]) -> None:
    """20 · 16 entries: a norm of √320 = 17.9, give or take 2.8 (four deviations of 0.7)."""
    [answer] = searched(setting, trials(targets[0]), params(steps=0, starts=["gaussian"]))
    assert answer.start == "gaussian"
    assert float(found(answer).norm()) == pytest.approx(sqrt(320), abs=2.8)


def test_another_prompts_start_is_a_neutral_prompts(setting: Setting, targets: list[Item]) -> None:
    """One of the six."""
    [answer] = searched(setting, trials(targets[0]), params(steps=0, starts=["other_prompt"]))
    assert answer.start == "other_prompt"
    neutral = setting.model.encode_prompts(tiny.NEUTRAL)
    assert any(torch.allclose(found(answer), y, atol=1e-6) for y in neutral)


def test_without_a_caption_the_starts_are_generic(setting: Setting, targets: list[Item]) -> None:
    """A rights-holder has works, not captions. In place of the caption noise and another prompt by turns, all new."""
    silent = replace(targets[0], prompt=None)
    walks = dori.begin(setting, trials(silent), params(starts=["prompt", "gaussian"], restarts=2))
    assert [walk.start for walk in walks] == ["gaussian", "other_prompt", "gaussian", "gaussian"]
    assert len({tuple(walk.y.flatten().tolist()) for walk in walks}) == 4


def test_restarts_are_the_efforts_unless_they_are_named(setting: Setting, targets: list[Item]) -> None:
    """2 trials × 2 kinds × the effort's 1, or the request's 3."""
    both = params(starts=["prompt", "gaussian"])
    assert len(dori.begin(setting, trials(*targets[:2]), both)) == 4
    assert len(dori.begin(setting, trials(*targets[:2]), both.model_copy(update={"restarts": 3}))) == 12


def test_the_best_restart_is_chosen_on_noise_kept_apart(setting: Setting, targets: list[Item]) -> None:
    """Of an embedding and one a thousand times as far out, the lower loss on 16 unseen (t, ε) wins, in either order."""
    begun = dori.begin(setting, trials(*targets[:2]), params(restarts=2))
    for walk in begun[1], begun[2]:
        walk.y = (walk.y.detach() * 1000).requires_grad_()
    on = trials(*targets[:2])
    x_0 = setting.latents(on)
    chosen = dori.choose(setting, on, begun, x_0)
    assert [candidate.trial for candidate in chosen] == [0, 1]
    for walks, best, item in ((begun[:2], chosen[0], targets[0]), (begun[2:], chosen[1], targets[1])):
        t, eps = draws(setting, "select", item.id, pairs=SELECTION_PAIRS)
        with torch.no_grad():
            losses = [float(loss_of(setting, item, walk.y, t, eps)) for walk in walks]
        assert torch.equal(best.y, walks[losses.index(min(losses))].y)


def test_a_search_without_rivals_is_chosen_for_nothing(setting: Setting, targets: list[Item]) -> None:
    """One walk a trial: no forward is spent on a choice."""
    on = trials(*targets)
    begun = dori.begin(setting, on, params())
    before = setting.model.work.forwards
    chosen = dori.choose(setting, on, begun, setting.latents(on))
    assert all(torch.equal(candidate.y, walk.y) for candidate, walk in zip(chosen, begun, strict=True))
    assert setting.model.work.forwards == before


def test_a_confirmed_hit_ends_the_search(generous: Setting, targets: list[Item], controls: list[Item]) -> None:
    """Every picture is a copy: all stop at the first look, after step 1 of 3, controls as well as targets."""
    answers = searched(generous, trials(*targets, *controls), params())
    on = trials(*targets, *controls)
    for n, answer in enumerate(answers):
        assert (answer.steps, answer.first_step, len(answer.loss)) == (1, 1, 1)
        expected = generous.draw(on[n : n + 1], found(answer)[None], images=2, purpose=("confirm", 1))
        assert float((answer.pictures - expected[0]).abs().max()) <= 1 / 255 + 1e-5


def test_without_early_stop_the_budget_is_spent(generous: Setting, targets: list[Item]) -> None:
    """Every picture is a copy, and still all 3 steps are taken."""
    [answer] = searched(generous, trials(targets[0]), params(early_stop=False))
    assert (answer.steps, answer.first_step, len(answer.loss)) == (3, 3, 3)


def test_a_search_that_finds_nothing_says_so(setting: Setting, targets: list[Item]) -> None:
    """No picture is a copy: 3 steps, no first step, pictures on the evaluation seeds."""
    [answer] = searched(setting, trials(targets[0]), params())
    assert (answer.steps, answer.first_step, len(answer.loss)) == (3, None, 3)
    expected = setting.draw(trials(targets[0]), found(answer)[None], images=2, purpose=("evaluate", "search"))
    assert torch.equal(answer.pictures, expected[0])


def after_one_step(setting: Setting, item: Item) -> tuple[list[float], list[float]]:
    """Similarities of the pictures that the look after step 1 draws, and of those that would confirm it."""
    [answer] = searched(setting, trials(item), params(steps=1, early_stop=False))
    look, full = (
        setting.draw(trials(item), found(answer)[None], images=images, purpose=purpose)[0]
        for images, purpose in ((1, ("look", 1)), (2, ("confirm", 1)))
    )
    return setting.score(look, item).similarity, setting.score(full, item).similarity


def test_a_look_that_full_sampling_does_not_confirm_counts_for_nothing(setting: Setting, targets: list[Item]) -> None:
    """The threshold lies between the look's picture and the best of the confirming ones: the search goes on."""
    for seed in range(20):
        seeded = replace(setting, seed=seed)
        look, full = after_one_step(seeded, targets[0])
        if look[0] > max(full) + 1e-3:
            break
    else:
        pytest.fail("no look is better than what would confirm it")
    judged = replace(seeded, descriptor=replace(seeded.descriptor, threshold=(look[0] + max(full)) / 2))
    [answer] = searched(judged, trials(targets[0]), params(steps=2))
    assert (answer.steps, len(answer.loss)) == (2, 2)


def test_looks_beyond_the_budget_are_not_taken(generous: Setting, targets: list[Item]) -> None:
    """One step with a look after 1: the end of the budget is no look, and is scored on the evaluation seeds."""
    [answer] = searched(generous, trials(targets[0]), params(steps=1))
    expected = generous.draw(trials(targets[0]), found(answer)[None], images=2, purpose=("evaluate", "search"))
    assert torch.equal(answer.pictures, expected[0])
    assert answer.first_step == 1


def test_one_row_that_stops_leaves_the_others_as_they_are(setting: Setting, targets: list[Item]) -> None:
    """A threshold that bell's pictures exceed and fox's do not: bell stops at the look, fox goes on as if alone."""
    fox, _, bell = targets
    most = max(map(max, after_one_step(setting, fox)))
    look, full = after_one_step(setting, bell)
    least = min(max(look), max(full))
    assert least > most + 0.01
    judged = replace(setting, descriptor=replace(setting.descriptor, threshold=(least + most) / 2))
    stopped, went_on = searched(judged, trials(bell, fox), params(steps=2))
    [alone] = searched(judged, trials(fox), params(steps=2))
    assert (stopped.steps, len(stopped.loss)) == (1, 1)
    assert (went_on.steps, len(went_on.loss)) == (2, 2)
    assert torch.allclose(found(went_on), found(alone), atol=1e-4)


def spoilt(item: Item) -> Item:
    """The item with a picture of NaN, whose loss is NaN from the first step on."""
    return replace(item, picture=torch.full((3, 32, 32), float("nan")))


def test_a_search_that_diverges_takes_no_other_with_it(setting: Setting, targets: list[Item]) -> None:
    """Beside fox and kite, bell leaves the finite numbers: bell has no answer, the others have theirs as if alone."""
    fox, bell, kite = dori.run(setting, trials(targets[0], spoilt(targets[2]), targets[1]), params(restarts=2))
    assert bell is None
    for item, among in ((targets[0], fox), (targets[1], kite)):
        [alone] = searched(setting, trials(item), params(restarts=2))
        assert among is not None
        assert among.loss == pytest.approx(alone.loss, abs=1e-4)
        assert torch.allclose(found(among), found(alone), atol=1e-4)


def test_a_search_alone_that_diverges_is_over(setting: Setting, targets: list[Item]) -> None:
    """One step, and nothing is drawn of what it left."""
    work = setting.model.work
    before = (work.forwards, work.forwards_with_gradient)
    assert dori.run(setting, trials(spoilt(targets[0])), params(steps=5)) == [None]
    assert (work.forwards - before[0], work.forwards_with_gradient - before[1]) == (0, 2)


def test_a_restart_that_diverges_leaves_its_rival_the_field(setting: Setting, targets: list[Item]) -> None:
    """Of two restarts the first begins at infinity: the answer is the second's."""
    on = trials(targets[0])
    begun = dori.begin(setting, on, params(restarts=2))
    begun[0].y = torch.full_like(begun[0].y, float("inf")).requires_grad_()
    optimizer = torch.optim.Adam([walk.y for walk in begun], lr=0.1)
    dori.descend(setting, optimizer, begun, setting.latents(on), on, params())
    assert [walk.diverged for walk in begun] == [True, False]
    assert dori.still_open(begun, {}) == begun[1:]
    [chosen] = dori.choose(setting, on, dori.still_open(begun, {}), setting.latents(on))
    assert torch.equal(chosen.y, begun[1].y)


def test_what_does_not_fit_is_searched_in_parts(setting: Setting, targets: list[Item]) -> None:
    """
    Memory for 3 rows with a gradient, 2 trials × 2 restarts × 2 pairs: parts of 8, 4 and then 2 rows, none of which
    tears the two pairs of a walk apart; with memory for 1 row it does. The search is the same to 1e-4, and so is its
    cost: rows that were tried in vain are not counted
    """
    asked, on = params(restarts=2), trials(*targets[:2])
    whole = searched(setting, on, asked)
    for memory, parts in ((3, [8, 4, 2, 2, 2, 2]), (1, [2, 1, 1, 1, 1, 1, 1, 1, 1])):
        tried: list[int] = []

        def admit(rows: int, memory: int = memory, tried: list[int] = tried) -> None:
            tried.append(rows)
            if torch.is_grad_enabled() and rows > memory:
                raise torch.OutOfMemoryError(f"no memory for {rows} rows")

        setting.model.admit = admit
        before = setting.model.work.forwards_with_gradient
        limited = searched(setting, on, asked)
        assert setting.model.work.forwards_with_gradient - before == 24
        assert tried[: len(parts)] == parts
        for among, alone in zip(limited, whole, strict=True):
            assert among.loss == pytest.approx(alone.loss, abs=1e-4)
            assert torch.allclose(found(among), found(alone), atol=1e-4)


def test_a_row_that_does_not_fit_alone_is_out_of_memory(setting: Setting, targets: list[Item]) -> None:
    """Halved down to one row, then the error goes up, and no answer is made of what came before."""

    def admit(rows: int) -> None:
        if torch.is_grad_enabled():
            raise MemoryError

    setting.model.admit = admit
    with pytest.raises(OutOfMemory, match="1 rows did not fit"):
        dori.run(setting, trials(targets[0]), params())


def test_every_row_with_a_gradient_is_counted(setting: Setting, targets: list[Item]) -> None:
    """3 trials × 3 steps × 2 pairs = 18; the published search is 50 × 8 = 400 an image."""
    before = setting.model.work.forwards_with_gradient
    searched(setting, trials(*targets), params())
    assert setting.model.work.forwards_with_gradient - before == 18


def test_the_watch_hears_of_every_step(setting: Setting, targets: list[Item]) -> None:
    """An image is encoded, 2 rows a step for 3 steps, then 2 pictures of 2 guided steps, decoded."""
    seen: list[int] = []
    setting.model.on_forward = seen.append
    searched(setting, trials(targets[0]), params(early_stop=False))
    assert seen == [0, 2, 2, 2, 4, 4, 0]


def test_a_v_model_is_searched_by_its_epsilon(
    setting: Setting, targets: list[Item], demo: Path, tmp_path: Path
) -> None:
    """The loss compares ε with √ᾱ · v + √(1 − ᾱ) · x_t."""
    folder = tmp_path / "v"
    shutil.copytree(demo / "model", folder)
    config = folder / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"prediction_type": "v_prediction"}))
    v = replace(setting, model=DiffusionModel.load(folder))
    [answer] = searched(v, trials(targets[0]), params(steps=1))
    t, eps = draws(setting, KIND, KIND, "fox", "prompt", 0, pairs=2)
    a = setting.model.alpha_bar[t].view(-1, 1, 1, 1)
    x_t = a.sqrt() * setting.latents(trials(targets[0])) + (1 - a).sqrt() * eps
    y = setting.model.encode_prompts([targets[0].prompt or ""]).expand(2, -1, -1)
    converted = a.sqrt() * setting.model.eps(x_t, t, y) + (1 - a).sqrt() * x_t
    assert list(answer.loss) == pytest.approx([float((eps - converted).pow(2).mean())], abs=1e-4)
