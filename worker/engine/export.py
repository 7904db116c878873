"""A mitigated model to take away: a folder in Stable Diffusion's layout, or what is added to the model it came from.

    folder    every part as safetensors in float32; the denoiser's weights are W + Δ
    delta     Δ alone, by the denoiser's parameter names; float32, so that W + Δ is what the audit measured, bit by bit

Masks are written as the delta that takes their weights to 0. Only a joint edit of weights is one model.
"""

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from worker.engine.edits import JOINT, Edit, as_delta, said_in
from worker.engine.errors import MethodFailed
from worker.engine.model import DiffusionModel

SAID = "palimpsest"
"""Where a delta says what it is, in its metadata."""


def checkpoint(model: DiffusionModel, edit: Edit, folder: Path) -> None:
    """Write the mitigated model; ``folder`` is made, and loads as any model does."""
    with model.edited(_delta(model, edit)):
        whole(model, folder)


def whole(model: DiffusionModel, folder: Path) -> None:
    """Write the model as it is; ``folder`` is made."""
    model.pipeline.save_pretrained(folder, safe_serialization=True)
    forget_where_it_was(folder)


def delta(model: DiffusionModel, edit: Edit) -> bytes:
    """A safetensors file of Δ; its metadata says what it is, how it is applied and to which model."""
    said = {"what": "delta", "of": "unet", "apply": "W + delta in float32", "baseline": model.digest}
    tensors = {name: D.contiguous() for name, D in _delta(model, edit).groups[JOINT].items()}
    # Under one key, for safetensors writes several in an order of its own each time.
    return save(tensors, metadata={SAID: json.dumps(said, sort_keys=True)})


def is_delta(content: bytes) -> bool:
    """Whether ``delta`` wrote these bytes."""
    try:
        return bool(said_in(content, SAID))
    except (KeyError, ValueError):
        return False


def read(content: bytes) -> tuple[Edit, str]:
    """The edit that a delta is, and the digest of the model it belongs to. Raises MethodFailed for any other file."""
    if not is_delta(content):
        raise MethodFailed("this is not a delta that was exported")
    try:
        delta = dict(sorted(load(content).items()))
    except SafetensorError as error:
        raise MethodFailed("the delta is cut short or damaged") from error
    said = said_in(content, SAID)
    return Edit(said["what"], {JOINT: delta}, sum(D.numel() for D in delta.values())), said["baseline"]


def _delta(model: DiffusionModel, edit: Edit) -> Edit:
    if not edit.joint:
        raise MethodFailed("only a joint mitigation is a model that can be exported: this one has a model per target")
    return as_delta(model.unet, edit)


def forget_where_it_was(folder: Path) -> None:
    """diffusers writes the path a part was loaded from, which is nobody else's concern and differs by machine."""
    for config in [folder / "model_index.json", *folder.glob("*/config.json")]:
        said = json.loads(config.read_text())
        if said.pop("_name_or_path", None) is not None:
            config.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n")
