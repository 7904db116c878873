"""SISS: the mixture, its weights, and the subtraction."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from palimpsest.contract.methods import SissParams
from worker.engine import audit, finetuning, own_draws
from worker.engine.edits import Edit
from worker.engine.errors import MethodFailed
from worker.engine.finetuning import Learner
from worker.engine.items import Item
from worker.engine.mitigations import siss
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting

ALPHA_BAR = torch.linspace(0.999, 0.005, 1000)
NEVER, ALWAYS = torch.zeros(6, dtype=torch.bool), torch.ones(6, dtype=torch.bool)


def params(**changes: Any) -> SissParams:
    """Two steps of four rows, two pictures to keep a target."""
    return SissParams(**({"steps": 2, "batch_size": 4, "stand_ins": 2} | changes))


def rows() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Six pictures to keep, six to delete, t and ε."""
    g = torch.Generator().manual_seed(1)
    x, a, eps = (torch.randn(6, 1, 2, 2, generator=g) for _ in range(3))
    return x, a, torch.tensor([400, 600, 700, 800, 900, 999]), eps


def test_without_mixing_it_is_plain_importance_sampling() -> None:
    """λ = 0: m = x_t, w_x = 1, w_a = exp(D_x − D_a)."""
    x, a, t, eps = rows()
    mixed = siss.mixture(x, a, t, eps, NEVER, 0.0, ALPHA_BAR)
    gamma, sigma = ALPHA_BAR[t].sqrt().view(6, 1, 1, 1), (1 - ALPHA_BAR[t]).sqrt().view(6, 1, 1, 1)
    x_t = gamma * x + sigma * eps
    assert torch.equal(mixed.m, x_t)
    assert torch.allclose(mixed.eps_x, eps, atol=1e-5)
    D_x, D_a = (((x_t - gamma * v).pow(2).flatten(1).sum(1)) / (2 * sigma.flatten() ** 2) for v in (x, a))
    assert torch.equal(mixed.w_x, torch.ones(6))
    assert torch.allclose(mixed.w_a, torch.exp(D_x - D_a), rtol=1e-4)


def test_mixed_from_the_deleted_alone_it_is_the_other_way_round() -> None:
    """λ = 1: m = a_t, w_a = 1, w_x = exp(D_a − D_x)."""
    x, a, t, eps = rows()
    mixed = siss.mixture(x, a, t, eps, ALWAYS, 1.0, ALPHA_BAR)
    assert torch.allclose(mixed.eps_a, eps, atol=1e-5)
    assert torch.equal(mixed.w_a, torch.ones(6))
    D_x, D_a = (e.pow(2).flatten(1).sum(1) / 2 for e in (mixed.eps_x, mixed.eps_a))
    assert torch.allclose(mixed.w_x, torch.exp(D_a - D_x), rtol=1e-4)


@pytest.mark.parametrize("deleted", [NEVER, ALWAYS])
def test_deleting_what_is_kept_weighs_nothing(deleted: Tensor) -> None:
    """a = x: w_x = w_a = 1 and ε_x = ε_a."""
    x, _, t, eps = rows()
    mixed = siss.mixture(x, x, t, eps, deleted, 0.5, ALPHA_BAR)
    assert torch.allclose(mixed.w_x, torch.ones(6))
    assert torch.allclose(mixed.w_a, torch.ones(6))
    assert torch.equal(mixed.eps_x, mixed.eps_a)


@given(d=st.floats(-1e4, 1e4), lam=st.floats(0.01, 0.99))
def test_the_weights_are_bounded(d: float, lam: float) -> None:
    """0 ≤ w_x ≤ 1/(1 − λ) and 0 ≤ w_a ≤ 1/λ, however far the pictures are apart; and (1 − λ)·w_x + λ·w_a = 1."""
    w_x, w_a = (float(w) for w in siss.importance(torch.tensor([d]), lam))
    assert 0 <= w_x <= 1 / (1 - lam) * (1 + 1e-5)
    assert 0 <= w_a <= 1 / lam * (1 + 1e-5)
    assert (1 - lam) * w_x + lam * w_a == pytest.approx(1, rel=1e-4)


def test_a_weight_is_a_ratio_of_densities() -> None:
    """
    m = 1 with γx = 0, γa = 2, σ = 1, λ = ¼:  D_x = D_a = ½, so both densities are one and so are both weights
    m = 0: D_x = 0, D_a = 2:  w_x = 1/(¾ + ¼·e⁻²),  w_a = 1/(¾·e² + ¼)
    """
    assert [float(w) for w in siss.importance(torch.tensor(0.0), 0.25)] == pytest.approx([1.0, 1.0])
    expected = [1 / (0.75 + 0.25 * math.exp(-2)), 1 / (0.75 * math.exp(2) + 0.25)]
    assert [float(w) for w in siss.importance(torch.tensor(-2.0), 0.25)] == pytest.approx(expected)


def test_weighing_undoes_the_mixing() -> None:
    """In one dimension, γx = −½, γa = 1, σ = 1: E_m[w_x·m] = −½ and E_m[w_a·m] = 1, over 200,000 draws."""
    g = torch.Generator().manual_seed(3)
    n, alpha_bar = 200_000, torch.tensor([0.5])
    x, a = torch.full((n, 1, 1, 1), -0.5 / 0.5**0.5), torch.full((n, 1, 1, 1), 1 / 0.5**0.5)
    eps = torch.randn(n, 1, 1, 1, generator=g)
    mixed = siss.mixture(x, a, torch.zeros(n, dtype=torch.long), eps, torch.rand(n, generator=g) < 0.3, 0.3, alpha_bar)
    m = mixed.m.flatten()
    assert float((mixed.w_x * m).mean()) == pytest.approx(-0.5, abs=0.01)
    assert float((mixed.w_a * m).mean()) == pytest.approx(1.0, abs=0.01)


def test_the_loss_is_a_sum_over_elements() -> None:
    """½·((1 − 0)² + (3 − 1)²) = 2.5"""
    hat, eps = torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[0.0, 1.0]]]])
    assert siss.weighted(hat, eps, torch.tensor([0.5])).tolist() == [2.5]


def test_subtraction_by_hand() -> None:
    """(5, 1) − 2·(1, 3) = (3, −5); a weight without a gradient has none after."""
    found = siss.subtracted([torch.tensor([5.0, 1.0]), None], [torch.tensor([1.0, 3.0]), None], 2.0)
    assert found[0] is not None
    assert (found[0].tolist(), found[1]) == ([3.0, -5.0], None)


@pytest.fixture
def learner(setting: Setting) -> Learner:
    """A copy all of whose weights learn."""
    return finetuning.learner_of(setting.model, lambda _: True)


@pytest.mark.parametrize(("timesteps", "scaling_norm"), [("last", None), ("uniform", None), ("last", 7.0)])
def test_one_steps_gradient_is_one_subtracted_from_the_other(
    setting: Setting, targets: list[Item], learner: Learner, timesteps: str, scaling_norm: float | None
) -> None:
    """g_x and g_a of separate passes; what is subtracted has a tenth of ‖g_x‖, or the norm that is asked for."""
    captions = setting.model.encode_prompts([target.prompt or "" for target in targets])
    images, keep = own_draws.images_of(setting, targets), own_draws.stand_ins(setting, targets, 2)
    asked = params(timesteps=timesteps, scaling_norm=scaling_norm)
    pulled = siss.pull(setting, learner, captions, images, keep, asked, 0)
    own = generator_for(setting.seed, "siss", "step", 0)
    i, k = torch.randint(3, (4,), generator=own), torch.randint(2, (4,), generator=own)
    t = torch.randint(1000, (4,), generator=own)
    eps = torch.randn(4, 4, 8, 8, generator=own)
    t = torch.full((4,), 999) if timesteps == "last" else t
    deleted = torch.rand(4, generator=own) < 0.5
    mixed = siss.mixture(keep.x_0[i, k], images[i], t, eps, deleted, 0.5, learner.alpha_bar)
    theta = list(learner.theta.values())

    def gradient(noise: Tensor, w: Tensor) -> tuple[float, list[Tensor]]:
        loss = siss.weighted(learner.eps(mixed.m, t, captions[i]), noise, w).mean()
        return loss.item(), list(torch.autograd.grad(loss, theta))

    (keeping, g_x), (deleting, g_a) = gradient(mixed.eps_x, mixed.w_x), gradient(mixed.eps_a, mixed.w_a)
    assert pulled.losses == {"keep": pytest.approx(keeping, rel=1e-4), "delete": pytest.approx(deleting, rel=1e-4)}
    length = scaling_norm or 0.1 * finetuning.norm([*g_x])
    s = length / finetuning.norm([*g_a])
    for found, x, a in zip(pulled.gradients, g_x, g_a, strict=True):
        assert found is not None
        assert torch.allclose(found, x - s * a, rtol=1e-3, atol=1e-4)


def test_the_cost_is_counted_to_the_last_row(setting: Setting, targets: list[Item]) -> None:
    """3 targets · 2·2 candidates · 2 steps · 2 halves = 48 to draw; one pass a row for both gradients, 2 · 4 = 8."""
    with audit.counted(setting) as cost:
        siss.apply(setting, targets, params())
    assert (cost().unet_sample_forwards, cost().unet_sample_forwards_with_gradient) == (48, 8)


def test_by_default_every_target_has_the_releases_updates(
    setting: Setting, targets: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    """35 for its one prompt; were it 2, they were 6 for three."""
    assert siss.STEPS_A_TARGET == 35
    monkeypatch.setattr(siss, "STEPS_A_TARGET", 2)
    mitigated = siss.apply(setting, targets, SissParams(batch_size=1, stand_ins=1))
    assert mitigated.notes[0].startswith("siss: 6 steps")


def test_a_target_without_a_caption_is_left_out(setting: Setting, targets: list[Item]) -> None:
    """With a note; with no caption at all the method fails."""
    silent = replace(targets[0], prompt=None)
    mitigated = siss.apply(setting, [silent, targets[1]], params())
    assert mitigated.notes[2:] == ["fox has no prompt: siss does nothing for it"]
    with pytest.raises(MethodFailed, match="under its caption"):
        siss.apply(setting, [silent], params())


def test_equal_seeds_are_equal_trainings(setting: Setting, targets: list[Item]) -> None:
    """Bit by bit; another seed is another training."""

    def content(seed: int) -> bytes:
        edit = siss.apply(replace(setting, seed=seed), targets, params()).edit
        assert isinstance(edit, Edit)
        return edit.dumps()

    first = content(0)
    assert content(0) == first
    assert content(1) != first
