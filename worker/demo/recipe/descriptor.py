"""The bundled copy-detection descriptor, trained by SSCD's recipe on glyphs that no audit will meet.

    L = InfoNCE(z, z'; τ) − λ · mean_i log min_{j≠i} ‖z_i − z_j‖₂      Pizzi et al. 2022, Eqs. 2 and 4

z and z' are two views of one picture: one is a mild change, the other a strong one (crop, turn, mirror, colour,
blur, and the codec's own reconstruction from noisy latents, which is how a copy leaves a diffusion model). A batch
is half hard: a few subcategories, and both styles of a glyph, which are different pictures and must stay apart.

Interface as SSCD's: TorchScript, N×3×H×W normalized by ImageNet's mean and deviation in, L2-normalized N×128 out.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional as F

from worker.demo.recipe import augment, codec, glyphs

DIMENSIONS = 128
TEMPERATURE = 0.05
ENTROPY_WEIGHT = 5.0
PICTURES = 64
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Cycle:
    """One one-cycle run: its length, highest learning rate and seed."""

    steps: int
    peak: float
    seed: int


CYCLES = (Cycle(1200, 2e-3, seed=5), Cycle(2000, 1.5e-3, seed=6))
"""The second goes on from the weights of the first."""


class Residual(nn.Module):
    """x + conv(relu(norm(conv(relu(norm(x))))))"""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.GroupNorm(8, channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1))
        self.second = nn.Sequential(nn.GroupNorm(8, channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Shape-preserving."""
        return x + self.second(self.first(x))


class Descriptor(nn.Module):
    """A small residual network with generalized-mean pooling (p = 3), as SSCD's trunk ends."""

    def __init__(self, widths: tuple[int, ...] = (48, 96, 160)) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 24, 5, stride=2, padding=2), nn.ReLU()]
        previous = 24
        for width in widths:
            layers += [nn.Conv2d(previous, width, 3, stride=2, padding=1), Residual(width), Residual(width)]
            previous = width
        self.trunk = nn.Sequential(*layers, nn.GroupNorm(8, previous), nn.ReLU())
        self.head = nn.Linear(previous, DIMENSIONS)

    def forward(self, x: Tensor) -> Tensor:
        """N×3×H×W → N×128 of unit length."""
        pooled = self.trunk(x).clamp(min=1e-6).pow(3.0).mean(dim=(2, 3)).pow(1.0 / 3.0)
        return F.normalize(self.head(pooled), dim=1)


def normalized(x: Tensor) -> Tensor:
    """[−1, 1] → what the descriptor takes."""
    mean, deviation = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(DEVIATION).view(1, 3, 1, 1)
    return ((x + 1) / 2 - mean) / deviation


def loss(z: Tensor, z_other: Tensor) -> tuple[Tensor, Tensor]:
    """InfoNCE over all 2N views, and the entropy term −mean log nearest-negative distance."""
    both = torch.cat([z, z_other])
    N = len(z)
    similarity = both @ both.T / TEMPERATURE
    similarity.fill_diagonal_(float("-inf"))
    partner = torch.cat([torch.arange(N, 2 * N), torch.arange(N)])
    info_nce = F.cross_entropy(similarity, partner)
    negatives = (both @ both.T).masked_fill(torch.eye(2 * N, dtype=torch.bool), -2.0)
    negatives[torch.arange(2 * N), partner] = -2.0
    nearest = (2 - 2 * negatives.amax(dim=1)).clamp(min=1e-8).sqrt()
    return info_nce, -nearest.log().mean()


@torch.no_grad()
def reconstructions(vae: AutoencoderKL, x: Tensor, generator: torch.Generator, noise: float) -> Tensor:
    """What the codec makes of the pictures when their latents carry up to ``noise`` of Gaussian noise."""
    out = []
    for part in x.split(128):
        z = vae.encode(part).latent_dist.mean
        z = z + noise * torch.rand(len(z), 1, 1, 1, generator=generator) * torch.randn(z.shape, generator=generator)
        out.append(vae.decode(z).sample.clamp(-1, 1))
    return torch.cat(out)


def mild(x: Tensor, generator: torch.Generator) -> Tensor:
    """Small moves and a mirror image."""
    return augment.place(x, generator, scale=(0.9, 1.1), shift=0.04, turn=0.05)


def strong(x: Tensor, generator: torch.Generator) -> Tensor:
    """Crops to about half the area, shrinking, turns, colour casts and blur."""
    x = augment.place(x, generator, scale=(0.65, 1.45), shift=0.14, turn=0.3)
    x = augment.tint(x, generator, strength=0.25)
    return augment.soften(x, generator, most=1.2)


class Sampler:
    """Draws batches in which neighbours are hard to tell apart."""

    def __init__(self, subcategories: list[str], names: list[str], generator: torch.Generator) -> None:
        self.by_kind = [np.flatnonzero(np.array(subcategories) == kind) for kind in sorted(set(subcategories))]
        self.twins = [np.flatnonzero(np.array(names) == name) for name in sorted(set(names))]
        self.twins = [pair for pair in self.twins if len(pair) == 2]
        self.size = len(names)
        self.generator = generator

    def _pick(self, n: int, most: int) -> list[int]:
        return torch.randperm(n, generator=self.generator)[:most].tolist()

    def draw(self) -> Tensor:
        """Row indices of one batch: a third from two subcategories, a third twins, the rest at random."""
        rows: list[int] = []
        for k in self._pick(len(self.by_kind), 2):
            kind = self.by_kind[k]
            rows += kind[self._pick(len(kind), PICTURES // 6)].tolist()
        for k in self._pick(len(self.twins), PICTURES // 6):
            rows += self.twins[k].tolist()
        rest = self._pick(self.size, PICTURES)
        rows = list(dict.fromkeys([*rows, *rest]))[:PICTURES]
        return torch.tensor(rows)


def train(cache: Path, vae_folder: Path, out: Path, *, cycle: Cycle, begin: Path | None) -> None:
    """``out`` receives the TorchScript file. ``begin`` is the file of the cycle before, None for fresh weights."""
    torch.manual_seed(cycle.seed)
    generator = torch.Generator().manual_seed(cycle.seed)
    listed, pixels = glyphs.load(cache)
    mine = [g for g in listed if g.role == "ordinary"]
    x_all = codec.to_tensor(pixels[[g.row for g in mine]])
    vae = AutoencoderKL.from_pretrained(vae_folder).eval()
    versions = torch.stack(
        [x_all, *(reconstructions(vae, x_all, generator, noise) for noise in (0.0, 0.3, 0.6))]
    ).half()
    print("descriptor pictures", tuple(versions.shape), flush=True)
    sampler = Sampler([g.subcategory for g in mine], [g.name for g in mine], generator)
    model = Descriptor()
    if begin is not None:
        model.load_state_dict(torch.jit.load(str(begin)).state_dict())
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(model.parameters(), cycle.peak, weight_decay=1e-2, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, cycle.peak, cycle.steps, pct_start=0.1)
    started = time.time()
    for step in range(cycle.steps):
        rows = sampler.draw()
        kinds = torch.randint(len(versions), (2, len(rows)), generator=generator)
        one = mild(versions[kinds[0], rows].float(), generator)
        two = strong(versions[kinds[1], rows].float(), generator)
        views = normalized(torch.cat([one, two])).contiguous(memory_format=torch.channels_last)
        info_nce, entropy = loss(*model(views).split(len(rows)))
        (info_nce + ENTROPY_WEIGHT * entropy).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 50 == 0 or step == cycle.steps - 1:
            elapsed = time.time() - started
            print(
                f"descriptor {step} infonce {info_nce.item():.3f} entropy {entropy.item():.3f} s {elapsed:.0f}",
                flush=True,
            )
        if step % 250 == 249 or step == cycle.steps - 1:
            save(model, out)


def save(model: Descriptor, out: Path) -> None:
    """As TorchScript, on any image size."""
    model.eval()
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.jit.script(model).save(str(out))
    model.train()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".cache/demo"))
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("worker/demo/descriptor/descriptor.torchscript.pt"))
    parser.add_argument("--cycle", type=int, choices=range(1, 1 + len(CYCLES)), required=True)
    parser.add_argument("--begin", type=Path, help="TorchScript file of the cycle before; none for the first")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    cycle = CYCLES[arguments.cycle - 1]
    train(arguments.cache, arguments.vae, arguments.out, cycle=cycle, begin=arguments.begin)


if __name__ == "__main__":
    main()
