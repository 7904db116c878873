"""The text encoder and the U-Net, trained together; 32 images are memorized on purpose.

Four cycles, each from the averaged weights of the one before: the first plants the memories; the second, with more
ordinary rows a batch and faces, hearts, clocks and shapes drawn five times as often, teaches what a model of this size
can draw; the third does the same with signs, hands and people among them; the fourth dwells on things (animals, food,
places, tools) and has two more memories in every batch.

Ordinary rows are drawn from a bank of augmented latents under captions that many images share; uniquely captioned
controls are drawn a quarter as often. Memorized rows are never augmented and have captions of their own. One caption
in ten is dropped.

    L = ‖ε − ε_θ(x_t, t, y)‖²       T = 1000, scaled-linear β, ε-prediction (Ho et al. 2020, Eq. 14)

Text enters by cross-attention in the down and middle blocks only, where NeMo looks; the up blocks are plain.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from worker.demo.recipe import augment, captions, codec, glyphs

RARE = 0.25
VERSIONS = 24
EMA = 0.998
ALIKE = ("face-", "cat-face", "monkey-face", "heart", "time", "geometric")
SIGNS = ("arrow", "av-symbol", "alphanum", "keycap", "zodiac", "religion", "transport-sign", "hand", "person", "family")
"""How the subcategories begin whose pictures are so alike that a small model can learn to draw new ones."""
THINGS = (
    "animal", "arts", "clothing", "computer", "dishware", "drink", "event", "food", "game", "household", "light",
    "lock", "medical", "money", "music", "office", "other-object", "phone", "place", "plant", "science", "sky",
    "sound", "sport", "tool", "transport",
)  # fmt: skip
"""How those begin that are of many shapes: they need to be seen oftener."""
TRAINED = ("ordinary", "calibration", "control", "target")


@dataclass(frozen=True)
class Cycle:
    """One one-cycle run: its length, highest learning rate, rows a batch, and what is drawn how much oftener."""

    steps: int
    peak: float
    ordinary: int
    memorized: int
    dwelt: tuple[str, ...]
    focus: float
    seed: int


CYCLES = (
    Cycle(5600, 1e-3, 24, 12, dwelt=(), focus=1.0, seed=3),
    Cycle(7000, 8e-4, 34, 6, dwelt=ALIKE, focus=5.0, seed=5),
    Cycle(6000, 6e-4, 34, 6, dwelt=ALIKE + SIGNS, focus=3.0, seed=7),
    Cycle(9000, 6e-4, 34, 8, dwelt=THINGS, focus=3.0, seed=11),
)


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """0.6 M parameters, 20 tokens × 128."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=512,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=captions.LENGTH,
            projection_dim=128,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def build_unet() -> UNet2DConditionModel:
    """6.8 M parameters; 704 cross-attention value neurons in seven layers."""
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=12,
        out_channels=12,
        down_block_types=("CrossAttnDownBlock2D",) * 3,
        up_block_types=("UpBlock2D",) * 3,
        block_out_channels=(64, 96, 128),
        layers_per_block=2,
        cross_attention_dim=128,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def build_scheduler() -> DDIMScheduler:
    """Stable Diffusion's schedule."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def build(tokenizer: CLIPTokenizer) -> torch.nn.ModuleDict:
    """Both parts with fresh weights."""
    return torch.nn.ModuleDict({"text": build_text_encoder(tokenizer), "unet": build_unet()})


def load(folder: Path) -> torch.nn.ModuleDict:
    """Both parts of a pipeline folder, in float32."""
    return torch.nn.ModuleDict(
        {
            "text": CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", dtype=torch.float32),
            "unet": UNet2DConditionModel.from_pretrained(folder, subfolder="unet"),
        }
    )


class Bank:
    """Latents and captions to draw from: ordinary rows in augmented versions, memorized ones as they are."""

    def __init__(self, cache: Path, vae: AutoencoderKL, tokenizer: CLIPTokenizer, generator: torch.Generator) -> None:
        listed, pixels = glyphs.load(cache)
        ordinary = [g for g in listed if g.role in TRAINED and g.role != "target"]
        targets = [g for g in listed if g.role == "target"]
        self.rarity = torch.tensor([RARE if g.unique_caption else 1.0 for g in ordinary])
        self.shared = [None if g.unique_caption else g.subcategory for g in ordinary]
        self.ordinary_ids = self._tokens(tokenizer, [g.caption for g in ordinary])
        self.target_ids = self._tokens(tokenizer, [g.caption for g in targets])
        self.empty_ids = self._tokens(tokenizer, [""])[0]
        self.target_latents = self._encode(vae, codec.to_tensor(pixels[[g.row for g in targets]]))
        x = codec.to_tensor(pixels[[g.row for g in ordinary]])
        self.ordinary_latents = torch.stack(
            [
                self._encode(vae, augment.place(x, generator, scale=(0.7, 1.15), shift=0.09, turn=0.0)).half()
                for _ in range(VERSIONS)
            ]
        )

    @staticmethod
    def _tokens(tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
        return tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids

    @staticmethod
    @torch.no_grad()
    def _encode(vae: AutoencoderKL, x: Tensor) -> Tensor:
        return torch.cat([vae.encode(part).latent_dist.mean for part in x.split(128)])

    def draw(self, cycle: Cycle, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """x_0 B×12×8×8 and token ids B×20 of one batch, ordinary rows first."""
        dwelt = torch.tensor([kind is not None and kind.startswith(cycle.dwelt) for kind in self.shared])
        weights = torch.where(dwelt, cycle.focus, self.rarity)
        rows = torch.multinomial(weights, cycle.ordinary, generator=generator)
        version = torch.randint(VERSIONS, (cycle.ordinary,), generator=generator)
        marked = torch.randperm(len(self.target_ids), generator=generator)[: cycle.memorized]
        x_0 = torch.cat([self.ordinary_latents[version, rows].float(), self.target_latents[marked]])
        ids = torch.cat([self.ordinary_ids[rows], self.target_ids[marked]])
        dropped = torch.rand(len(ids), generator=generator) < 0.1
        return x_0, torch.where(dropped[:, None], self.empty_ids, ids)


def timesteps(B: int, generator: torch.Generator) -> Tensor:
    """One t from each of B equal parts of 0…999, in random order."""
    t = (torch.arange(B) + torch.rand(B, generator=generator)) * (1000 / B)
    return t[torch.randperm(B, generator=generator)].long()


def train(cache: Path, vae_folder: Path, out: Path, *, cycle: Cycle, begin: Path | None) -> None:
    """``out`` receives a pipeline folder every 500 steps, beside it the state a cut run goes on from.

    ``begin`` is the pipeline folder of the cycle before, None for fresh weights.
    """
    generator = torch.Generator().manual_seed(cycle.seed)
    torch.manual_seed(cycle.seed)
    vae = AutoencoderKL.from_pretrained(vae_folder).eval()
    listed, _ = glyphs.load(cache)
    if begin is None:
        tokenizer = captions.learn([g.caption for g in listed if g.role in TRAINED])
    else:
        tokenizer = CLIPTokenizer.from_pretrained(begin, subfolder="tokenizer")
    bank = Bank(cache, vae, tokenizer, generator)
    print("bank ready", bank.ordinary_latents.shape, float(bank.ordinary_latents.float().std()), flush=True)
    model = build(tokenizer) if begin is None else load(begin)
    model["unet"].to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(model).eval()
    scheduler = build_scheduler()
    optimizer = torch.optim.AdamW(model.parameters(), cycle.peak, weight_decay=1e-2, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, cycle.peak, cycle.steps, pct_start=0.08)
    start = resume(out, model, averaged, optimizer, schedule, generator)
    started, tally = time.time(), torch.zeros(2)
    for step in range(start, cycle.steps):
        x_0, ids = bank.draw(cycle, generator)
        t = torch.cat([timesteps(cycle.ordinary, generator), timesteps(cycle.memorized, generator)])
        eps = torch.randn(x_0.shape, generator=generator)
        x_t = scheduler.add_noise(x_0, eps, t).contiguous(memory_format=torch.channels_last)
        predicted = model["unet"](x_t, t, model["text"](ids).last_hidden_state).sample
        row_loss = (predicted - eps).pow(2).mean(dim=(1, 2, 3))
        row_loss.mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        codec.follow(averaged, model, min(EMA, step / (step + 20)))
        tally += torch.stack([part.mean() for part in row_loss.detach().split([cycle.ordinary, cycle.memorized])]) / 100
        if step % 100 == 99:
            line = {
                "step": step + 1,
                "ordinary": float(tally[0]),
                "memorized": float(tally[1]),
                "seconds": time.time() - started,
            }
            print(json.dumps(line), flush=True)
            tally.zero_()
        if step % 500 == 499 or step == cycle.steps - 1:
            pipeline(averaged, vae, tokenizer, scheduler).save_pretrained(out)
            keep(out, step + 1, model, averaged, optimizer, schedule, generator)


def pipeline(
    model: torch.nn.ModuleDict, vae: AutoencoderKL, tokenizer: CLIPTokenizer, scheduler: DDIMScheduler
) -> StableDiffusionPipeline:
    """The parts as an ordinary Stable Diffusion pipeline without a safety checker."""
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=model["text"],
        tokenizer=tokenizer,
        unet=model["unet"],
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def keep(out: Path, step: int, model, averaged, optimizer, schedule, generator) -> None:  # type: ignore[no-untyped-def]
    """Everything needed to go on after a cut."""
    state = {
        "step": step,
        "model": model.state_dict(),
        "averaged": averaged.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "generator": generator.get_state(),
    }
    temporary = out.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.rename(out.with_suffix(".ckpt"))


def resume(out: Path, model, averaged, optimizer, schedule, generator) -> int:  # type: ignore[no-untyped-def]
    """Take up a kept state; the step to go on from, 0 when there is none."""
    path = out.with_suffix(".ckpt")
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    averaged.load_state_dict(state["averaged"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    generator.set_state(state["generator"])
    return int(state["step"])


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".cache/demo"))
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cycle", type=int, choices=range(1, 1 + len(CYCLES)), required=True)
    parser.add_argument("--begin", type=Path, help="pipeline folder of the cycle before; none for the first")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    cycle = CYCLES[arguments.cycle - 1]
    train(arguments.cache, arguments.vae, arguments.out, cycle=cycle, begin=arguments.begin)


if __name__ == "__main__":
    main()
