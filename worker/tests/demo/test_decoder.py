"""The decoder's own training on a handful of noise pictures."""

import json
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from worker.demo.recipe import codec, decoder


def test_the_encoder_stays_and_the_decoder_learns(tmp_path: Path) -> None:
    """Latents mean what they meant: not a weight before them moves, all behind them do."""
    glyph = {"name": "n", "subcategory": "s", "style": "flat", "caption": "c", "unique_caption": False}
    listed = [{"row": row, "role": "ordinary", **glyph} for row in range(4)]
    pixels = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    np.savez(tmp_path / "glyphs.npz", pixels=pixels, glyphs=json.dumps(listed))
    torch.manual_seed(0)
    codec.build().save_pretrained(tmp_path / "before")
    decoder.train(tmp_path, tmp_path / "before", tmp_path / "after", steps=3, rows=2)
    before, after = (AutoencoderKL.from_pretrained(tmp_path / name).state_dict() for name in ("before", "after"))
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    kept = {name.split(".")[0] for name in before if torch.equal(before[name], after[name])}
    assert moved == {"decoder", "post_quant_conv"}
    assert {"encoder", "quant_conv"} <= kept
