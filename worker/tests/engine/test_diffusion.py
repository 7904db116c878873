"""The equations, against numbers worked out by hand and against diffusers itself."""

from math import sqrt

import pytest
import torch
from torch import Tensor

from worker.engine.diffusion import ddim_step, ddim_timesteps, denoising_loss, guided, q_sample, sample
from worker.engine.model import DiffusionModel
from worker.tests import tiny

ALPHA_BAR = {
    0: 0.999150, 1: 0.998296, 21: 0.980381, 501: 0.274999, 781: 0.043456, 961: 0.007282, 981: 0.005776, 999: 0.004660,
}  # fmt: skip


@pytest.mark.parametrize("t", ALPHA_BAR)
def test_the_schedule_is_stable_diffusions(model: DiffusionModel, t: int) -> None:
    """β_i = (√.00085 + i/999 · (√.012 − √.00085))²,  ᾱ_t = Π_{i≤t} (1 − β_i)"""
    assert float(model.alpha_bar[t]) == pytest.approx(ALPHA_BAR[t], abs=1e-6)


def test_the_noise_goes_from_almost_none_to_almost_all(model: DiffusionModel) -> None:
    """√((1 − ᾱ)/ᾱ) is 0.0292 at t = 0 and 14.6146 at t = 999."""
    sigma = ((1 - model.alpha_bar) / model.alpha_bar).sqrt()
    assert float(sigma[0]) == pytest.approx(0.0292, abs=1e-4)
    assert float(sigma[999]) == pytest.approx(14.6146, abs=1e-3)


def test_fifty_steps_are_981_to_1() -> None:
    """Leading spacing with offset 1: 49 · 20 + 1 = 981, then every 20th down to 1."""
    timesteps = ddim_timesteps(50)
    assert timesteps == list(range(981, 0, -20))
    assert len(timesteps) == 50


@pytest.mark.parametrize("steps", [1, 7, 20, 50, 1000])
def test_the_timesteps_are_those_of_diffusers(model: DiffusionModel, steps: int) -> None:
    """Also where the steps do not divide 1000: 7 steps are 142 apart."""
    scheduler = model.pipeline.scheduler.from_config(model.pipeline.scheduler.config)
    scheduler.set_timesteps(steps)
    assert ddim_timesteps(steps) == scheduler.timesteps.tolist()


def test_noising_by_hand() -> None:
    """ᾱ = ¼, x_0 = 2, ε = 4   →   x_t = ½ · 2 + √¾ · 4"""
    x_t = q_sample(
        torch.full((1, 1, 1, 1), 2.0), torch.tensor([0]), torch.full((1, 1, 1, 1), 4.0), torch.tensor([0.25])
    )
    assert x_t.item() == pytest.approx(1 + 4 * sqrt(0.75))


def test_noising_takes_every_rows_own_timestep() -> None:
    """ᾱ = (1, 0): the row at t = 0 is x_0, the row at t = 1 is ε."""
    x_0, eps = torch.full((2, 1, 1, 1), 3.0), torch.full((2, 1, 1, 1), 5.0)
    assert q_sample(x_0, torch.tensor([0, 1]), eps, torch.tensor([1.0, 0.0])).flatten().tolist() == [3.0, 5.0]


def test_the_loss_is_one_mean_square_a_row() -> None:
    """ε = (1, 3) and (0, 2) against ε_θ = 1: the means of (0, 4) and (1, 1) are 2 and 1."""
    eps = torch.tensor([[1.0, 3.0], [0.0, 2.0]]).view(2, 1, 1, 2)

    def one(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return torch.ones_like(x_t)

    loss = denoising_loss(
        one, torch.zeros(2, 1, 1, 2), torch.zeros(2, 1, 1), torch.tensor([0, 0]), eps, torch.tensor([0.5])
    )
    assert loss.tolist() == [2.0, 1.0]


def test_a_step_with_the_true_noise_only_lowers_the_noise() -> None:
    """x_t = √ᾱ_t x_0 + √(1−ᾱ_t) ε with the very ε of the step   →   x_s = √ᾱ_s x_0 + √(1−ᾱ_s) ε"""
    alpha_bar = torch.tensor([0.9, 0.3])
    x_0, eps = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    later, earlier = (q_sample(x_0, torch.full((2,), t), eps, alpha_bar) for t in (1, 0))
    assert torch.allclose(ddim_step(later, eps, alpha_bar[1], alpha_bar[0]), earlier, atol=1e-6)


def test_guidance_by_hand_unconditional_rows_first() -> None:
    """ε_u = 1 (its y is 0), ε_c = 3 (its y is 2), g = 7   →   1 + 7 · (3 − 1) = 15; both halves in one call"""
    calls = []

    def one_more_than_y(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        calls.append(y.flatten().tolist())
        return y.view(-1, 1, 1, 1) + 1

    x_t, t, y = torch.zeros(2, 1, 1, 1), torch.tensor([5, 5]), torch.full((2, 1, 1), 2.0)
    assert guided(one_more_than_y, x_t, t, y, torch.zeros(1, 1, 1), 7.0).flatten().tolist() == [15.0, 15.0]
    assert calls == [[0.0, 0.0, 2.0, 2.0]]


def test_the_first_steps_end_on_a_latent_that_goes_on_to_the_same_picture(model: DiffusionModel) -> None:
    """All four steps give what two steps and then the two last give; no step at all gives the noise."""
    y, y_empty = model.encode_prompts(["a red fox"]), model.encode_prompts([""])
    x_T = torch.randn(1, *model.latent_shape, generator=torch.Generator().manual_seed(0))

    def run(first: int | None) -> Tensor:
        return sample(model.eps, x_T, y, y_empty, steps=4, g=3.0, alpha_bar=model.alpha_bar, first=first)

    x_t = run(2)
    for t, a_previous in ((251, model.alpha_bar[1]), (1, model.alpha_bar[0])):
        eps = guided(model.eps, x_t, torch.tensor([t]), y, y_empty, 3.0)
        x_t = ddim_step(x_t, eps, model.alpha_bar[t], a_previous)
    assert torch.allclose(run(None), x_t, atol=1e-6)
    assert torch.equal(run(0), x_T)


@pytest.mark.parametrize(("steps", "g"), [(5, 7.5), (20, 3.0), (7, 1.5)])
def test_the_sampler_is_diffusers_own(model: DiffusionModel, steps: int, g: float) -> None:
    """StableDiffusionPipeline with DDIMScheduler, η = 0, from the same noise and embeddings: equal to 1e-4."""
    y, y_empty = model.encode_prompts(list(tiny.TARGETS.values())), model.encode_prompts([""])
    x_T = torch.randn(3, *model.latent_shape, generator=torch.Generator().manual_seed(1))
    model.pipeline.set_progress_bar_config(disable=True)
    theirs = model.pipeline(
        prompt_embeds=y,
        negative_prompt_embeds=y_empty.expand_as(y),
        latents=x_T,
        num_inference_steps=steps,
        guidance_scale=g,
        eta=0.0,
        output_type="latent",
    ).images
    ours = sample(model.eps, x_T, y, y_empty, steps=steps, g=g, alpha_bar=model.alpha_bar)
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_a_caption_leads_to_the_picture_that_diffusers_draws(model: DiffusionModel) -> None:
    """From caption to pixels: tokenizer, encoder, sampler and decoder together, to one 8-bit level."""
    x_T = torch.randn(1, *model.latent_shape, generator=torch.Generator().manual_seed(2))
    theirs = model.pipeline(
        "a red fox asleep", latents=x_T, num_inference_steps=4, guidance_scale=3.0, output_type="pt"
    ).images
    ours = model.generate(x_T, model.encode_prompts(["a red fox asleep"]), steps=4, g=3.0)
    assert float((ours - theirs).abs().max()) <= 0.5 / 255 + 1e-4


def test_a_masked_loss_is_the_mean_over_the_mask() -> None:
    """
    ε is 1 everywhere and ε_θ 0 in the left column, 3 in the right: errors of 1 and 4. Over the left they are 1, over
    the right 4, over both 2.5, as without a mask.
    """

    def eps_theta(x_t: torch.Tensor, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.tensor([0.0, 3.0]).expand(x_t.shape)

    eps = torch.ones(3, 2, 2, 2)
    masks = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]).view(3, 1, 1, 2).expand(3, 1, 2, 2)
    given = (
        eps_theta,
        torch.zeros(3, 2, 2, 2),
        torch.zeros(3, 1, 1),
        torch.tensor([0, 0, 0]),
        eps,
        torch.tensor([0.5]),
    )
    assert denoising_loss(*given, mask=masks).tolist() == [1.0, 4.0, 2.5]
    assert denoising_loss(*given).tolist() == [2.5] * 3
