"""A Stable Diffusion folder of a few thousand random weights, and everything a worker expects beside it.

Latents are 4×8×8, pictures 3×32×32, embeddings 20×16. The U-Net has three attention blocks, two down and one in the
middle: value layers of 8, 16 and 16 neurons, feed-forward layers of 8×32, 16×64 and 16×64 weights.
"""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from worker.demo.recipe import captions, denoiser

SIDE = 32
VALUE_LAYERS = {
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v": 8,
    "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v": 16,
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_v": 16,
}
FEEDFORWARD_LAYERS = {
    "down_blocks.0.attentions.0.transformer_blocks.0.ff.net.2": (8, 32),
    "down_blocks.1.attentions.0.transformer_blocks.0.ff.net.2": (16, 64),
    "mid_block.attentions.0.transformer_blocks.0.ff.net.2": (16, 64),
}
TARGETS = {"fox": "a red fox asleep", "kite": "a paper kite over the sea", "bell": "an old bronze bell"}
CONTROLS = {"lamp": "a green desk lamp", "boat": "a small wooden boat"}
NEUTRAL = ["a loaf of bread", "two grey clouds", "a blue cup", "the moon at night", "a tall tree", "an open book"]


def write(folder: Path) -> None:
    """Model, descriptor, registration, prompts and two sets of pictures."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        write_model(folder / "model")
        write_descriptor(folder / "descriptor")
    for n, (name, rows) in enumerate((("targets", TARGETS), ("controls", CONTROLS))):
        write_set(folder, name, rows, seed=n)
    (folder / "neutral.txt").write_text("\n".join(NEUTRAL) + "\n")
    registration = {
        "id": "tiny",
        "title": "Random weights",
        "folder": "model",
        "sampler": {"steps": 2, "guidance": 3.0},
        "target_sets": [
            {"id": f"tiny:{name}", "title": f"the {name}", "rows": f"{name}.jsonl"} for name in ("targets", "controls")
        ],
    }
    (folder / "registration.json").write_text(json.dumps(registration))


def write_model(folder: Path) -> None:
    """The pipeline, as Stable Diffusion's are laid out."""
    tokenizer = captions.learn([*TARGETS.values(), *CONTROLS.values(), *NEUTRAL])
    pipeline = StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=_text_encoder(tokenizer),
        tokenizer=tokenizer,
        unet=_unet(),
        scheduler=denoiser.build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 8),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=SIDE,
        scaling_factor=0.5,
    )


def _text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=captions.LENGTH,
            projection_dim=16,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        block_out_channels=(8, 16),
        layers_per_block=1,
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=4,
    )


class Descriptor(nn.Module):
    """SSCD's interface on 3×8 numbers: means of an 8×8 grid of colours, mapped at random and brought to length one."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3 * 8 * 8, 16, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """N×3×H×W → N×16 of unit length."""
        return F.normalize(self.head(F.adaptive_avg_pool2d(x, 8).flatten(1)), dim=1)


def write_descriptor(folder: Path) -> None:
    """The TorchScript file and its card."""
    folder.mkdir(parents=True)
    file = folder / "descriptor.pt"
    torch.jit.script(Descriptor()).save(str(file))
    card = {
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "side": SIDE,
        "threshold": 0.5,
        "false_positive_bound": 0.01,
        "tiled_l2_threshold": 0.15,
    }
    (folder / "card.json").write_text(json.dumps(card))


def write_set(folder: Path, name: str, rows: dict[str, str], seed: int) -> None:
    """One picture a row, smooth at random."""
    (folder / name).mkdir(parents=True)
    lines = []
    for n, (item, prompt) in enumerate(rows.items()):
        (folder / name / f"{item}.png").write_bytes(picture_file(10 * seed + n))
        lines.append(json.dumps({"id": item, "prompt": prompt, "image": f"{name}/{item}.png"}))
    (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")


def picture_file(seed: int) -> bytes:
    """A PNG file of SIDE×SIDE pixels: 4×4 random colours, enlarged."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()
