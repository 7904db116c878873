"""The autoencoder: 64×64×3 pictures to 8×8×12 latents and back, as a diffusers AutoencoderKL.

    L = |x̂ − x| + ½ |∇x̂ − ∇x| + w · KL(q(z|x) ‖ N(0, I))

The encoder and decoder learn together on random 32-px windows, then on whole pictures. Then the latents are whitened
channel by channel: the affine map is folded into ``quant_conv`` and ``post_quant_conv``, so that the one
``scaling_factor`` a pipeline knows is 1.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from worker.demo.recipe import augment, glyphs

TRAINED = ("ordinary", "calibration", "control", "target")
KL_WEIGHT = 1e-3
EMA = 0.998


def build() -> AutoencoderKL:
    """1.0 M parameters."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 64),
        layers_per_block=1,
        latent_channels=12,
        norm_num_groups=8,
        sample_size=glyphs.SIDE,
        scaling_factor=1.0,
    )


def pictures(cache: Path, roles: tuple[str, ...] = TRAINED) -> Tensor:
    """N×3×64×64 in [−1, 1], every picture of these roles."""
    listed, pixels = glyphs.load(cache)
    rows = [g.row for g in listed if g.role in roles]
    return to_tensor(pixels[rows])


def to_tensor(pixels: np.ndarray) -> Tensor:
    """uint8 N×H×W×3 → float N×3×H×W in [−1, 1]"""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def reconstruction_loss(restored: Tensor, x: Tensor) -> Tensor:
    """|x̂ − x| + ½ (|∂x x̂ − ∂x x| + |∂y x̂ − ∂y x|), means over all pixels"""
    error = restored - x
    return error.abs().mean() + 0.5 * (error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean())


def train(cache: Path, out: Path, *, steps: int, whole_from: float, seed: int = 1) -> None:
    """Encoder and decoder together; ``out`` receives the averaged, whitened codec."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    x_all = pictures(cache)
    codec = build().to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(codec)
    optimizer = torch.optim.AdamW(codec.parameters(), 3e-3, weight_decay=1e-4, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps, pct_start=0.1)
    started = time.time()
    for step in range(steps):
        whole = step >= whole_from * steps
        x = x_all[torch.randint(len(x_all), (8 if whole else 24,), generator=generator)]
        x = augment.place(x, generator, scale=(0.8, 1.25), shift=0.1, turn=0.0)
        x = x if whole else augment.crop(x, 32, generator)
        posterior = codec.encode(x.contiguous(memory_format=torch.channels_last)).latent_dist
        restored = codec.decode(posterior.sample(generator)).sample
        loss = reconstruction_loss(restored, x) + KL_WEIGHT * posterior.kl().mean() / posterior.mean[0].numel()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        follow(averaged, codec, min(EMA, step / (step + 20)))
        if step % 200 == 0 or step == steps - 1:
            print(f"codec {step} loss {loss.item():.4f} seconds {time.time() - started:.0f}", flush=True)
    averaged.eval()
    whiten(averaged, x_all)
    averaged.save_pretrained(out)
    print(f"codec mean absolute error on whole pictures {absolute_error(averaged, x_all[::7]):.4f}", flush=True)


def follow(averaged: torch.nn.Module, model: torch.nn.Module, decay: float) -> None:
    """averaged ← decay · averaged + (1 − decay) · model"""
    with torch.no_grad():
        torch._foreach_lerp_(list(averaged.parameters()), list(model.parameters()), 1 - decay)


@torch.no_grad()
def whiten(codec: AutoencoderKL, x_all: Tensor) -> None:
    """Give every latent channel mean 0 and variance 1 by an affine map folded into the 1×1 convolutions.

    z' = (z − μ)/σ: rows of ``quant_conv`` are divided by σ (the mean half) or have 2·ln σ subtracted (the
    log-variance half); ``post_quant_conv`` undoes it.
    """
    z = torch.cat([codec.encode(x).latent_dist.mean for x in x_all.split(256)])
    mu, sigma = z.mean(dim=(0, 2, 3)), z.std(dim=(0, 2, 3))
    C = len(mu)
    quant, post = codec.quant_conv, codec.post_quant_conv
    quant.weight[:C] /= sigma.view(-1, 1, 1, 1)
    quant.bias[:C] = (quant.bias[:C] - mu) / sigma
    quant.bias[C:] -= 2 * sigma.log()
    post.bias += (post.weight[:, :, 0, 0] * mu).sum(dim=1)
    post.weight *= sigma.view(1, -1, 1, 1)


@torch.no_grad()
def absolute_error(codec: AutoencoderKL, x: Tensor) -> float:
    """Mean |x̂ − x| through the posterior mean."""
    errors = [(codec.decode(codec.encode(b).latent_dist.mode()).sample - b).abs().mean() for b in x.split(256)]
    return float(torch.stack(errors).mean())


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".cache/demo"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=5600)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    train(arguments.cache, arguments.out, steps=arguments.steps, whole_from=0.85)


if __name__ == "__main__":
    main()
