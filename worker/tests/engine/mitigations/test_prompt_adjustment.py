"""Prompt adjustment: when it moves the embedding, how far, and that prompts do not meet."""

import math

import pytest
import torch
from torch import Tensor

from palimpsest.contract.methods import PromptAdjustmentParams
from worker.engine.mitigations import prompt_adjustment
from worker.engine.mitigations.prompt_adjustment import WEIGHT_DECAY, Adjusted, added, adjust
from worker.engine.setting import Setting
from worker.engine.trajectory import first_timestep
from worker.tests import tiny

PROMPTS = list(tiny.TARGETS.values())
N, S, LR = 3, 2, 0.05


@pytest.fixture(name="x_T")
def noise_to_draw_from(setting: Setting) -> Tensor:
    """Two noises for each of three prompts."""
    return torch.randn(N, S, *setting.model.latent_shape, generator=torch.Generator().manual_seed(1))


def adjusted(
    setting: Setting, prompts: list[str], x_T: Tensor, target: float, iterations: int = 10
) -> tuple[Tensor, Adjusted]:
    """e before and after."""
    model = setting.model
    e = model.encode_prompts(prompts)
    after = adjust(
        model.eps,
        x_T,
        first_timestep(setting),
        e,
        model.encode_prompts([""]),
        target=target,
        learning_rate=LR,
        iterations=iterations,
    )
    return e, after


def test_without_a_bound_nothing_moves(setting: Setting, x_T: Tensor) -> None:
    """ℓ_target = ∞: L is looked at once, the embedding is what it was."""
    e, after = adjusted(setting, PROMPTS, x_T, math.inf)
    assert torch.equal(after.e, e)
    assert [len(trace) for trace in after.L] == [1, 1, 1]


def test_nothing_to_say_is_never_adjusted(setting: Setting, x_T: Tensor) -> None:
    """The empty prompt adds 0, below any target."""
    e, after = adjusted(setting, [""] * N, x_T, 1e-3)
    assert torch.equal(after.e, e)


def test_it_stops_before_stepping_below_the_target(setting: Setting, x_T: Tensor) -> None:
    """A target between the first L and the second: one step, then one look."""
    _, free = adjusted(setting, PROMPTS[:1], x_T[:1], 0.0, iterations=2)
    between = sum(free.L[0]) / 2 / math.sqrt(S)
    assert free.L[0][1] < free.L[0][0]
    _, after = adjusted(setting, PROMPTS[:1], x_T[:1], between)
    assert after.L[0] == pytest.approx(free.L[0])


def test_it_takes_ten_steps_at_most(setting: Setting, x_T: Tensor) -> None:
    """A target of 0 is never met; L falls all the same."""
    _, after = adjusted(setting, PROMPTS, x_T, 0.0)
    assert [len(trace) for trace in after.L] == [10, 10, 10]
    assert all(trace[-1] < trace[0] for trace in after.L)


def test_the_first_token_moves_by_weight_decay_alone(setting: Setting, x_T: Tensor) -> None:
    """Three steps of decoupled decay: e_0 · (1 − 0.05 · 0.01)³; the others move by more than that."""
    e, after = adjusted(setting, PROMPTS, x_T, 0.0, iterations=3)
    decayed = e * (1 - LR * WEIGHT_DECAY) ** 3
    torch.testing.assert_close(after.e[:, 0], decayed[:, 0])
    assert (after.e[:, 1:] - decayed[:, 1:]).abs().max() > LR


def test_the_first_step_is_the_learning_rate_against_the_gradient(setting: Setting, x_T: Tensor) -> None:
    """Adam's first step is η·sign(−gradient) wherever there is one: decayed, then ±0.05."""
    e, after = adjusted(setting, PROMPTS[:1], x_T[:1], 0.0, iterations=1)
    moved = (after.e - e * (1 - LR * WEIGHT_DECAY))[0, 1:].abs()
    assert moved.max().item() == pytest.approx(LR, rel=1e-3)


def test_the_batch_norm_is_the_root_of_the_sum_of_squares(setting: Setting, x_T: Tensor) -> None:
    """L over two pictures together: L² = L_1² + L_2²."""
    model, t = setting.model, first_timestep(setting)
    e = model.encode_prompts(PROMPTS)
    y_empty = model.encode_prompts([""]).expand(N * S, -1, -1)
    eps_u = model.eps(x_T.flatten(0, 1), torch.full((N * S,), t), y_empty).unflatten(0, (N, S))
    together = added(model.eps, x_T, t, e, eps_u)
    single = [added(model.eps, x_T[:, s : s + 1], t, e, eps_u[:, s : s + 1]) for s in range(S)]
    torch.testing.assert_close(together.pow(2), sum((L.pow(2) for L in single), torch.zeros(N)))


def test_prompts_do_not_meet(setting: Setting, x_T: Tensor) -> None:
    """Each in a batch of its own ends where it ends among the others, though some stop earlier."""
    _, together = adjusted(setting, PROMPTS, x_T, 0.4)
    assert len({len(trace) for trace in together.L}) > 1
    for n in range(N):
        _, alone = adjusted(setting, PROMPTS[n : n + 1], x_T[n : n + 1], 0.4)
        torch.testing.assert_close(alone.e[0], together.e[n], rtol=1e-3, atol=1e-4)


def test_one_embedding_a_picture_or_one_for_all(setting: Setting, x_T: Tensor) -> None:
    """Shared, the pictures of a prompt get the same; else each its own. Equal to ``adjust`` on what it was given."""
    model = setting.model
    y = model.encode_prompts(PROMPTS).unsqueeze(1).expand(-1, S, -1, -1)
    for shared in (True, False):
        made = prompt_adjustment.apply(setting, [], PromptAdjustmentParams(target=0.1, shared=shared))
        settle = made.edit.settle
        assert settle is not None
        settled = settle(model, y, x_T)
        assert settled.shape == y.shape
        assert torch.equal(settled[:, 0], settled[:, 1]) is shared
    _, by_hand = adjusted(setting, PROMPTS, x_T, 0.1)
    shared_ = prompt_adjustment.conditioning({**made.edit.values, "shared": True}).settle
    assert shared_ is not None
    torch.testing.assert_close(shared_(model, y, x_T)[:, 0], by_hand.e, rtol=1e-3, atol=1e-4)


def test_the_target_is_what_neutral_prompts_add_unless_given(setting: Setting) -> None:
    """Mean and one σ of ‖Δ‖ at the first step; a given one is taken as it is."""
    given_ = prompt_adjustment.apply(setting, [], PromptAdjustmentParams(target=1.5))
    assert given_.edit.values["target"] == 1.5
    calibrated = prompt_adjustment.apply(setting, [], PromptAdjustmentParams()).edit.values["target"]
    assert calibrated == pytest.approx(prompt_adjustment.ordinary(setting), abs=1e-6)
    assert 0.1 < calibrated < 10
