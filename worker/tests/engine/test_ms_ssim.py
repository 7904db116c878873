"""MS-SSIM against torchmetrics' own numbers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from worker.engine.ms_ssim import RELEASED, SMALL, ms_ssim, window_for

VECTOR = {
    0.0: (1.0, 1.0),
    0.1: (0.988173, 0.988361),
    0.3: (0.899373, 0.899033),
    0.6: (0.650917, 0.636553),
    1.0: (0.232268, 0.152588),
}


def waves(phi: float) -> Tensor:
    """X_φ[b,c,i,j] = sin(.10 i (c+1) + .07 j + b + φ) + ½ sin(.31 i − .23 j (b+1) + 2φ), scaled to [0, 1] per (b, c)"""
    b, c, i, j = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in (2, 4, 64, 64)), indexing="ij")
    x = (0.10 * i * (c + 1) + 0.07 * j + b + phi).sin() + 0.5 * (0.31 * i - 0.23 * j * (b + 1) + 2 * phi).sin()
    low, high = x.amin(dim=(2, 3), keepdim=True), x.amax(dim=(2, 3), keepdim=True)
    return (x - low) / (high - low)


@pytest.mark.parametrize("phi", VECTOR)
def test_the_values_are_those_of_torchmetrics(phi: float) -> None:
    """Computed once with torchmetrics 1.3.2 in float64."""
    assert ms_ssim(waves(0.0), waves(phi), RELEASED).tolist() == pytest.approx(VECTOR[phi], abs=1e-5)


def test_a_batch_shares_one_value_range() -> None:
    """R is taken over the whole batch, anew at every scale: the second image alone gives .899013, not .899033."""
    alone = ms_ssim(waves(0.0)[1:], waves(0.3)[1:], RELEASED)
    assert float(alone) == pytest.approx(0.899013, abs=1e-5)


@pytest.mark.parametrize("window", [RELEASED, SMALL])
def test_an_image_resembles_itself_entirely(window: object) -> None:
    """cs = SSIM = 1 at every scale, and 1 to any power is 1."""
    x = torch.rand(3, 4, 64, 64, dtype=torch.float64)
    assert ms_ssim(x, x, window).tolist() == pytest.approx([1.0] * 3)  # type: ignore[arg-type]


def test_opposite_images_resemble_each_other_not_at_all() -> None:
    """The contrast of x and 1 − x is negative at every scale and is clipped at 0."""
    x = torch.rand(2, 4, 8, 8)
    assert ms_ssim(x, 1 - x, SMALL).tolist() == [0.0, 0.0]


def test_neither_order_nor_brightness_scale_matters() -> None:
    """C₁ and C₂ grow with R²: MS-SSIM(x, y) = MS-SSIM(y, x) = MS-SSIM(9x, 9y)."""
    x, y = waves(0.0), waves(0.6)
    value = ms_ssim(x, y, RELEASED)
    assert torch.allclose(value, ms_ssim(y, x, RELEASED))
    assert torch.allclose(value, ms_ssim(9 * x, 9 * y, RELEASED))


@settings(deadline=None)
@given(st.integers(6, 256))
def test_the_window_always_fits(side: int) -> None:
    """64-pixel latents get the released window, 8-pixel ones the small one, and both fit their coarsest scale."""
    assert window_for(side).fits(side)
    assert window_for(side) is (RELEASED if side >= 44 else SMALL)
