"""A model's folder before it is loaded: family, digest and size. Needs neither torch nor diffusers."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from worker.engine.errors import ClassRefused, ModelRefused
from worker.engine.headers import tensors_of
from worker.engine.strict_json import parsed

Watch = Callable[[int], None]
"""Told rows of work as they pass, 0 for work of another kind; may raise to stop it."""

FAMILIES = {"StableDiffusionPipeline": "sd1"}
"""A family is an architecture, told by the pipeline's class: models of one family share workers."""

WEIGHTS = ("unet", "vae", "text_encoder")
BYTES_A_NUMBER = 4
MOST_INDEX_BYTES = 2**20
BLOCK_BYTES = 2**24
"""Read between two looks of the watch."""


def family_of(folder: Path) -> str:
    """The family of the model in this folder. Raises ModelRefused for one this engine cannot load."""
    try:
        with (folder / "model_index.json").open("rb") as file:
            named = parsed(file.read(MOST_INDEX_BYTES))["_class_name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelRefused(f"{folder.name} is not a Stable Diffusion folder: it names no pipeline") from error
    if not isinstance(named, str) or not named.isidentifier():
        raise ClassRefused(f"{folder.name} is not a Stable Diffusion folder: what it names is no class")
    if named not in FAMILIES:
        raise ClassRefused(f"{folder.name} is not a Stable Diffusion folder: it holds a {named[:80]}")
    return FAMILIES[named]


def digest_of(folder: Path, watch: Watch | None = None) -> str:
    """sha256 over the relative name and sha256 of every file that makes the model what it is."""
    return digest_of_files(files_of(folder, watch))


def digest_of_files(files: dict[str, str]) -> str:
    """The same of files that have been read."""
    return hashlib.sha256("\n".join(f"{sha256}  {path}" for path, sha256 in files.items()).encode()).hexdigest()


def files_of(folder: Path, watch: Watch | None = None) -> dict[str, str]:
    """sha256 by relative path of every file that makes the model what it is, in the order of the paths."""
    return {
        path.relative_to(folder).as_posix(): _file_digest(path, watch)
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".safetensors", ".json", ".txt")
    }


def _file_digest(path: Path, watch: Watch | None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            if watch is not None:
                watch(0)
    return digest.hexdigest()


def bytes_of(folder: Path) -> int:
    """What the model's parameters will take once they are loaded, read off the headers of its files."""
    files = [file for name in WEIGHTS for file in (folder / name).glob("*.safetensors")]
    return sum(BYTES_A_NUMBER * stored.numbers for file in files for stored in tensors_of(file).values())
