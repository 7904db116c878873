"""The codec's decoder, trained once more with the encoder as it is: latents mean what they meant, pictures are sharper.

    z = μ(x) + σ n,  n ~ N(0, I)        L = |x̂(z) − x| + ½ |∇x̂(z) − ∇x|

A denoiser's latents are near an image's own, never exactly there: σ makes the decoder forgive that. So was Stable
Diffusion's decoder tuned after its denoiser (stabilityai/sd-vae-ft-mse, model card).
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from worker.demo.recipe import augment
from worker.demo.recipe.codec import absolute_error, follow, pictures, reconstruction_loss

EMA = 0.995
SIGMA = 0.1
PEAK = 1.5e-3


def train(cache: Path, begin: Path, out: Path, *, steps: int, rows: int = 16, seed: int = 13) -> None:
    """``begin`` is the codec's folder; ``out`` receives the same encoder and the averaged decoder."""
    generator = torch.Generator().manual_seed(seed)
    x_all = pictures(cache)
    codec = AutoencoderKL.from_pretrained(begin).to(memory_format=torch.channels_last)
    codec.requires_grad_(False)
    parts = torch.nn.ModuleList([codec.post_quant_conv, codec.decoder]).requires_grad_(True)
    averaged = copy.deepcopy(codec)
    optimizer = torch.optim.AdamW(parts.parameters(), PEAK, weight_decay=1e-4, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, steps, pct_start=0.1)
    started = time.time()
    for step in range(steps):
        x = x_all[torch.randint(len(x_all), (rows,), generator=generator)]
        x = augment.place(x, generator, scale=(0.8, 1.15), shift=0.09, turn=0.0)
        with torch.no_grad():
            mu = codec.encode(x.contiguous(memory_format=torch.channels_last)).latent_dist.mean
        z = mu + SIGMA * torch.randn(mu.shape, generator=generator)
        loss = reconstruction_loss(codec.decode(z).sample, x)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parts.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        follow(averaged, codec, min(EMA, step / (step + 20)))
        if step % 100 == 0 or step == steps - 1:
            print(f"decoder {step} loss {loss.item():.4f} seconds {time.time() - started:.0f}", flush=True)
    averaged.eval().save_pretrained(out)
    print(f"codec mean absolute error on whole pictures {absolute_error(averaged, x_all[::7]):.4f}", flush=True)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".cache/demo"))
    parser.add_argument("--begin", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    train(arguments.cache, arguments.begin, arguments.out, steps=arguments.steps)


if __name__ == "__main__":
    main()
