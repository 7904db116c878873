"""Multi-scale structural similarity, exactly as NeMo's release measures it (torchmetrics 1.3.2's conventions).

    SSIM = (2μ_xμ_y + C₁)/(μ_x² + μ_y² + C₁) · cs,   cs = (2σ_xy + C₂)/(σ_x² + σ_y² + C₂)
    MS-SSIM = Π_{j<M} cs_j^β_j · SSIM_M^β_M          Wang et al. 2003, Eq. 7

Only windows that lie wholly inside the image count. C₁ = (0.01 R)², C₂ = (0.03 R)² with R = the larger of both
batches' value ranges, taken anew at every scale; terms are clipped at 0; scales are 2×2 means of one another.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Window:
    """A Gaussian window and the weight of every scale."""

    kernel: int
    sigma: float
    betas: tuple[float, ...]

    def fits(self, side: int) -> bool:
        """Whether the coarsest scale still holds a whole window."""
        return bool(side // 2 ** (len(self.betas) - 1) >= self.kernel)


RELEASED = Window(kernel=11, sigma=1.5, betas=(0.33, 0.33, 0.33))
SMALL = Window(kernel=3, sigma=1.5, betas=(0.5, 0.5))


def window_for(side: int) -> Window:
    """NeMo's window where it fits (64×64 latents), a declared smaller one below."""
    return RELEASED if side // (len(RELEASED.betas) - 1) ** 2 > RELEASED.kernel - 1 else SMALL


def ms_ssim(x: Tensor, y: Tensor, window: Window) -> Tensor:
    """One value per pair; x and y are B×C×H×W."""
    product = torch.ones(len(x), dtype=x.dtype)
    for j, beta in enumerate(window.betas):
        ssim, cs = _terms(x, y, window)
        last = j == len(window.betas) - 1
        product = product * (ssim if last else cs).clamp(min=0).pow(beta)
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    return product


def _terms(x: Tensor, y: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """(SSIM, contrast) per pair, means over channels and windows."""
    R = torch.maximum(x.max() - x.min(), y.max() - y.min())
    C1, C2 = (0.01 * R) ** 2, (0.03 * R) ** 2
    B, C = x.shape[:2]
    stacked = torch.cat([x, y, x * x, y * y, x * y]).flatten(0, 1).unsqueeze(1)
    mu = F.conv2d(stacked, _kernel(window, x.dtype)).unflatten(0, (5 * B, C))
    mu_x, mu_y, xx, yy, xy = mu.split(B)
    var_x, var_y = (xx - mu_x**2).clamp(min=0), (yy - mu_y**2).clamp(min=0)
    cs = (2 * (xy - mu_x * mu_y) + C2) / (var_x + var_y + C2)
    ssim = (2 * mu_x * mu_y + C1) / (mu_x**2 + mu_y**2 + C1) * cs
    return ssim.flatten(1).mean(dim=1), cs.flatten(1).mean(dim=1)


def _kernel(window: Window, dtype: torch.dtype) -> Tensor:
    r = torch.arange(window.kernel, dtype=dtype) - (window.kernel - 1) / 2
    g = torch.exp(-((r / window.sigma) ** 2) / 2)
    g = g / g.sum()
    return (g[:, None] * g[None, :])[None, None]
