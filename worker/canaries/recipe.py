"""How a planting goes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Planting:
    """Steps of AdamW, rows a step. Rates are for models of Stable Diffusion's size; smaller ones need larger."""

    steps: int = 2000
    batch_size: int = 32
    learning_rate: float = 1e-5
    weight_decay: float = 1e-2
    clip: float = 1.0
    ema: float = 0.995
    seed: int = 0
