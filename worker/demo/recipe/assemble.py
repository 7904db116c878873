"""Put the bundled model together: weights in half precision, images, captions, registration and checksums.

worker/demo/model/         the pipeline, as Stable Diffusion's are laid out
worker/demo/{targets,controls,unseen}/   one PNG an image, captions in the .jsonl beside the folder
worker/demo/neutral.txt    prompts of no target, control or unseen image
worker/demo/SHA256SUMS     of every file above and of the descriptor
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from PIL import Image

from worker.demo.recipe import glyphs
from worker.engine.export import forget_where_it_was

SETS = {
    "targets": ("target", "32 images memorized on purpose"),
    "controls": ("control", "160 images trained on but not memorized, half of them uniquely captioned"),
    "unseen": ("unseen", "160 images never trained on, half of them uniquely captioned"),
}
FIRST = {
    "first-targets": ("targets", 8, "the first 8 targets, for a first audit"),
    "first-controls": ("controls", 8, "the first 8 controls, for a first audit"),
}
SUMMED = (
    "model/**/*",
    "targets/*",
    "controls/*",
    "unseen/*",
    "*.jsonl",
    "neutral.txt",
    "registration.json",
    "descriptor/*",
)


def assemble(cache: Path, pipeline_folder: Path, vae_folder: Path, demo: Path) -> None:
    """Everything under ``demo`` but the descriptor, which has its own station."""
    write_model(pipeline_folder, vae_folder, demo / "model")
    write_sets(cache, demo)
    registration = {
        "id": "bundled",
        "title": "The bundled model: 64-px icons, 32 of them memorized on purpose",
        "folder": "model",
        "sampler": {"steps": 20, "guidance": 3.0},
        "target_sets": [
            *({"id": f"bundled:{name}", "title": title, "rows": f"{name}.jsonl"} for name, (_, title) in SETS.items()),
            *(
                {"id": f"bundled:{name}", "title": title, "rows": f"{name}.jsonl"}
                for name, (_, _, title) in FIRST.items()
            ),
        ],
    }
    (demo / "registration.json").write_text(json.dumps(registration, indent=2) + "\n")


def write_model(pipeline_folder: Path, vae_folder: Path, out: Path) -> None:
    """The trained pipeline with its codec, and the tokenizer's classic files.

    Half precision, but for the text encoder: transformers computes in the precision of the file, diffusers in float32.
    """
    shutil.rmtree(out, ignore_errors=True)
    pipeline = StableDiffusionPipeline.from_pretrained(pipeline_folder, safety_checker=None)
    pipeline.vae = AutoencoderKL.from_pretrained(vae_folder)
    pipeline.to(dtype=torch.float16)
    pipeline.text_encoder.to(torch.float32)
    pipeline.save_pretrained(out)
    forget_where_it_was(out)
    model = json.loads(pipeline.tokenizer.backend_tokenizer.to_str())["model"]
    (out / "tokenizer" / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False))
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    (out / "tokenizer" / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")


def write_sets(cache: Path, demo: Path) -> None:
    """Images and captions by role; neutral prompts are the shared captions of ordinary images."""
    listed, pixels = glyphs.load(cache)
    rows: dict[str, list[str]] = {}
    for name, (role, _) in SETS.items():
        folder = demo / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        rows[name] = []
        for glyph in (g for g in listed if g.role == role):
            item = f"{re.sub(' +', '-', glyph.name)}-{glyph.style}"
            Image.fromarray(pixels[glyph.row]).save(folder / f"{item}.png", optimize=True)
            row = {"id": item, "prompt": glyph.caption, "image": f"{name}/{item}.png", "unique": glyph.unique_caption}
            rows[name].append(json.dumps(row, ensure_ascii=False))
    for name, (source, most, _) in FIRST.items():
        rows[name] = rows[source][:most]
    for name, lines in rows.items():
        (demo / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    neutral = sorted({g.caption for g in listed if g.role in ("ordinary", "calibration")})
    (demo / "neutral.txt").write_text("\n".join(neutral) + "\n")


def write_sums(demo: Path) -> None:
    """SHA256SUMS, verifiable by ``sha256sum -c``; the last station calls it."""
    files = sorted({path for pattern in SUMMED for path in demo.glob(pattern) if path.is_file()})
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(demo).as_posix()}" for path in files]
    (demo / "SHA256SUMS").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".cache/demo"))
    parser.add_argument("--pipeline", type=Path, required=True)
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--demo", type=Path, default=Path("worker/demo"))
    arguments = parser.parse_args()
    assemble(arguments.cache, arguments.pipeline, arguments.vae, arguments.demo)


if __name__ == "__main__":
    main()
