"""Sharpness: exact on a linear score, and the derivative a difference quotient gives on a real denoiser."""

import pytest
import torch
from torch import Tensor, nn

from palimpsest.contract.methods import SharpnessParams
from worker.engine.detectors import sharpness
from worker.engine.detectors.sharpness import differentiable_forward, hessian_along_score
from worker.engine.setting import Setting
from worker.engine.trajectory import first_timestep, noises
from worker.tests import tiny

PROMPTS = list(tiny.TARGETS.values())


def test_a_linear_score_is_bent_by_the_difference_of_its_matrices() -> None:
    """s(x, y) = A_y x + b_y, that is ε = −√(1−ᾱ)·s: H^Δ s^Δ = (A_c − A_u) s^Δ, to rounding."""
    torch.manual_seed(0)
    A, b = torch.randn(2, 4, 4), torch.randn(2, 4)
    alpha_bar = torch.linspace(0.9, 0.1, 10)
    t = torch.full((3,), 7)

    def eps_theta(x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        which = y[:, 0, 0].long()
        s = torch.einsum("bij,bj->bi", A[which], x.flatten(1)) + b[which]
        return (-(1 - alpha_bar[t]).sqrt().view(-1, 1) * s).view_as(x)

    x = torch.randn(3, 1, 2, 2)
    y_empty, y = torch.zeros(3, 1, 1), torch.ones(3, 1, 1)
    s_delta = x.flatten(1) @ (A[1] - A[0]).T + b[1] - b[0]
    H_s = hessian_along_score(eps_theta, x, t, y, y_empty, alpha_bar)
    torch.testing.assert_close(H_s.flatten(1), s_delta @ (A[1] - A[0]).T)


def test_the_product_agrees_with_central_differences(setting: Setting) -> None:
    """(s^Δ(x + hv) − s^Δ(x − hv)) / 2h along v = s^Δ, on the tiny model."""
    model = setting.model
    x, t = noises(setting, 1, 2), torch.full((2,), first_timestep(setting))
    y, y_empty = (model.encode_prompts([text]).expand(2, -1, -1) for text in (PROMPTS[0], ""))
    sigma = (1 - model.alpha_bar[first_timestep(setting)]).sqrt()

    def s_delta(x: Tensor) -> Tensor:
        return (model.eps(x, t, y_empty) - model.eps(x, t, y)) / sigma

    v, h = s_delta(x), 0.05
    quotient = (s_delta(x + h * v) - s_delta(x - h * v)) / (2 * h)
    with torch.no_grad(), differentiable_forward(model.unet):
        H_s = hessian_along_score(model.eps, x, t, y, y_empty, model.alpha_bar)
    assert (H_s - quotient).norm() < 0.02 * quotient.norm()


def test_no_text_bends_nothing(setting: Setting) -> None:
    """s^Δ = 0 for the empty prompt."""
    assert sharpness.score(setting, [""], SharpnessParams(images=2)).item() == pytest.approx(0, abs=1e-5)


def test_a_score_depends_on_its_prompt_alone(setting: Setting) -> None:
    """Alone or among others."""
    together = sharpness.score(setting, PROMPTS, SharpnessParams(images=2))
    alone = torch.cat([sharpness.score(setting, [prompt], SharpnessParams(images=2)) for prompt in PROMPTS])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)


def test_the_denoiser_is_left_as_it_was(setting: Setting) -> None:
    """No hook stays on a norm, and what is predicted afterwards is what was predicted before."""
    model, t = setting.model, torch.zeros(1, dtype=torch.long)
    x, y = noises(setting, 1, 1), model.encode_prompts(PROMPTS[:1])
    before = model.eps(x, t, y)
    sharpness.score(setting, PROMPTS[:1], SharpnessParams(images=1))
    norms = [module for module in model.unet.modules() if isinstance(module, nn.GroupNorm)]
    assert norms
    assert not any(norm._forward_pre_hooks for norm in norms)
    assert torch.equal(model.eps(x, t, y), before)


def test_a_derivative_is_counted_as_a_pass_more(setting: Setting) -> None:
    """1 prompt × 2 noises × 2 halves, once for the score, once along it, and once for the tangent: 12."""
    before = setting.model.work.forwards
    sharpness.score(setting, PROMPTS[:1], SharpnessParams(images=2))
    assert setting.model.work.forwards - before == 12
