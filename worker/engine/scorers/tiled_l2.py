"""The second, untrained judge: how far the worst tile is off, pixel by pixel.

Carlini et al., Extracting Training Data from Diffusion Models, USENIX Security 2023 (arXiv 2301.13188).

    d(a, b) = max over 4×4 tiles of ‖a_tile − b_tile‖₂ / √dim        small is close; pictures in [0, 1]
"""

import torch
from torch import Tensor

TILES = 4


def tiled_l2(pictures: Tensor, reference: Tensor) -> Tensor:
    """d per picture, N×3×H×W against one 3×H×W."""
    N, C, H, W = pictures.shape
    error = (pictures - reference).pow(2)
    tiles = error.view(N, C, TILES, H // TILES, TILES, W // TILES).mean(dim=(1, 3, 5))
    return torch.amax(tiles, dim=(1, 2)).sqrt()
