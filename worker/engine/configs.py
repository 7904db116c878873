"""What a model's JSON files may say: classes of a list, numbers within bounds, and nothing that asks for code.

``trust_remote_code=False`` is no boundary (CVE-2026-44513 went round it in diffusers before 0.38), so what could ask
for code is refused here, before a library reads the file.
"""

import math
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from worker.engine.errors import ClassRefused, ConfigRefused, RemoteCode
from worker.engine.strict_json import NotPlain, parsed

INDEX = "model_index.json"

SCHEDULERS = {
    *("DDIMScheduler", "DDPMScheduler", "DEISMultistepScheduler", "DPMSolverMultistepScheduler"),
    *("DPMSolverSinglestepScheduler", "EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler"),
    *("HeunDiscreteScheduler", "LMSDiscreteScheduler", "PNDMScheduler", "UniPCMultistepScheduler"),
}
CLASSES: dict[str, set[tuple[str, str]]] = {
    "unet": {("diffusers", "UNet2DConditionModel")},
    "vae": {("diffusers", "AutoencoderKL")},
    "text_encoder": {("transformers", "CLIPTextModel")},
    "tokenizer": {("transformers", "CLIPTokenizer"), ("transformers", "CLIPTokenizerFast")},
    "scheduler": {("diffusers", name) for name in SCHEDULERS},
    "feature_extractor": {("transformers", "CLIPImageProcessor"), ("transformers", "CLIPFeatureExtractor")},
    "safety_checker": {("stable_diffusion", "StableDiffusionSafetyChecker")},  # never loaded
    "image_encoder": set(),
}
"""What ``model_index.json`` may name, part by part; every part may be left out there as [null, null]."""

ASKS_FOR_CODE = {"auto_map", "custom_pipeline", "custom_pipelines", "custom_revision"}
UNSUPPORTED = {"quantization_config"}

MEASURED = ("unet", "vae", "text_encoder")
"""Parts whose configuration says how large a network is built."""
MOST_NUMBER = 2**24
MOST_LISTED = 16
MOST_LAYERS = 128
LAYERS = {
    "num_hidden_layers",
    "layers_per_block",
    "transformer_layers_per_block",
    "reverse_transformer_layers_per_block",
}


def vet(path: PurePosixPath, content: bytes) -> None:
    """Look at one JSON file; ``path`` is within the folder. Raises ConfigRefused, RemoteCode or ClassRefused."""
    try:
        said = parsed(content)
    except NotPlain as error:
        raise ConfigRefused(f"of {path}, {error}") from None
    if not isinstance(said, dict):
        raise ConfigRefused(f"{path} is no JSON object")
    for key, value in _pairs(said):
        if key in ASKS_FOR_CODE or (key == "trust_remote_code" and value is not False):
            raise RemoteCode(f"{path} has {key}: a model that needs code of its own is not loaded")
        if key in UNSUPPORTED:
            raise ConfigRefused(f"{path} has {key}, which is not supported")
    if str(path) == INDEX:
        _index(said)
    elif path.name.endswith(".safetensors.index.json"):
        _weight_map(path, said)
    elif path.name in ("config.json", "scheduler_config.json"):
        _part(path, said)


def _pairs(said: Any) -> Iterator[tuple[str, Any]]:
    """Every key and its value, however deep."""
    if isinstance(said, dict):
        yield from said.items()
    for inner in said.values() if isinstance(said, dict) else said:
        if isinstance(inner, (dict, list)):
            yield from _pairs(inner)


def _index(said: dict[str, Any]) -> None:
    if not isinstance(said.get("_class_name"), str):
        raise RemoteCode(f"{INDEX} names no pipeline, or one in a file of its own")
    for part, named in said.items():
        if part.startswith("_") or not isinstance(named, (list, dict)):
            continue
        allowed = {*CLASSES.get(part, ()), (None, None)}
        if part not in CLASSES or not _pair(named) or tuple(named) not in allowed:
            raise ClassRefused(f"{INDEX} names a class for {_shown(part)} that is not on the list")


def _pair(named: Any) -> bool:
    return isinstance(named, list) and len(named) == 2 and all(n is None or isinstance(n, str) for n in named)


def _shown(part: str) -> str:
    return part if part in CLASSES else "a part of another name"


def _weight_map(path: PurePosixPath, said: dict[str, Any]) -> None:
    """Of weights in several files: every one is a safetensors file beside the index."""
    named = said.get("weight_map")
    if not isinstance(named, dict) or not all(isinstance(file, str) for file in named.values()):
        raise ConfigRefused(f"{path} has no weight_map of names")
    if any("/" in file or "\\" in file or not file.endswith(".safetensors") for file in named.values()):
        raise ConfigRefused(f"{path} leads to other files than safetensors beside it")


def _part(path: PurePosixPath, said: dict[str, Any]) -> None:
    part = path.parts[0]
    named = said.get("_class_name")
    if named is not None and named not in [name for _, name in CLASSES.get(part, ())]:
        raise ClassRefused(f"{path} names a class that is not on the list")
    if part in MEASURED:
        for key, value in _pairs(said):
            _bounded(path, key, value)


def _bounded(path: PurePosixPath, key: str, value: Any) -> None:
    numbers = [n for n in (value if isinstance(value, list) else [value]) if isinstance(n, (int, float))]
    if isinstance(value, list) and len(value) > MOST_LISTED:
        raise ConfigRefused(f"{path} lists more than {MOST_LISTED} values under one key")
    most = MOST_LAYERS if key in LAYERS else MOST_NUMBER
    if any(not math.isfinite(n) or abs(n) > most for n in numbers):
        raise ConfigRefused(f"{path} has a number out of bounds")
