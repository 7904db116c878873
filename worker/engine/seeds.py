"""Random numbers that depend on what they are for, never on who else is in the batch or which worker draws them."""

import hashlib

import torch
from torch import Tensor


def seed_for(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose of one audit: the first 8 bytes of sha256 over seed and purpose."""
    text = "\x1f".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator_for(seed: int, *purpose: str | int) -> torch.Generator:
    """A CPU generator for one purpose; numbers are drawn on the CPU whatever the model's device."""
    return torch.Generator().manual_seed(seed_for(seed, *purpose))


def noise(shape: tuple[int, ...], seeds: list[tuple[str | int, ...]], seed: int) -> Tensor:
    """One N(0, I) tensor of ``shape`` per purpose, stacked."""
    return torch.stack([torch.randn(shape, generator=generator_for(seed, *purpose)) for purpose in seeds])
