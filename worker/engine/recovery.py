"""A recovery kept so that one generation replays it: the embedding, and beside it what its pictures were drawn from.

    x_T of picture s = N(0, I) by seed_for(seed, *noise, item, s)      then the audit's sampler, with y as the condition

Whatever the search did is in y; nothing has to be searched again. One safetensors file holds it all: ``y`` (L×D), and a
``Recovery`` as JSON in its metadata. Equal recoveries are equal bytes.
"""

import json
from dataclasses import replace

import torch
from pydantic import BaseModel
from safetensors.torch import load, save
from torch import Tensor

from palimpsest.contract.request import Region
from worker.engine.conditioning import Conditioning
from worker.engine.edits import Edit, said_in
from worker.engine.setting import Sampler, Setting

KEY = "recovery"
TOLERANCE = 1e-3
"""Similarities of one picture drawn twice differ by less, whatever it was drawn together with (float32, one host)."""


class Recovery(BaseModel):
    """What an embedding's pictures were drawn from, and how near they were to the item's image.

    ``model`` and ``judge`` are digests, ``edit`` that of the mitigation's kept file (None: nothing was changed; empty:
    it was not kept), ``group`` whose masks of it were met, ``text`` what y encodes where words were found, ``region``
    what of the item's image was compared, where that was not the whole.
    """

    model: str
    edit: str | None
    group: str
    item: str
    text: str | None
    seed: int
    noise: list[str | int]
    steps: int
    guidance: float
    judge: str
    threshold: float
    scores: list[float]
    region: Region | None = None

    @property
    def nearest(self) -> int:
        """Which picture was nearest to the item's image, from 0."""
        return self.scores.index(max(self.scores))


def dumps(y: Tensor, said: Recovery) -> bytes:
    """The file."""
    text = json.dumps(said.model_dump(mode="json"), sort_keys=True)
    # Under one key, for safetensors writes several in an order of its own each time.
    return save({"y": y.contiguous()}, metadata={KEY: text})


def loads(content: bytes) -> tuple[Tensor, Recovery]:
    """y (L×D), and what its pictures were drawn from. Raises KeyError for a file of before that was written down."""
    return load(content)["y"], Recovery.model_validate(said_in(content, KEY))


def draw(setting: Setting, y: Tensor, said: Recovery, edit: Edit | Conditioning | None, which: list[int]) -> Tensor:
    """These of its pictures again, S×3×H×W, in one generation on the surroundings' model."""
    same = replace(setting, seed=said.seed, sampler=Sampler(said.steps, said.guidance))
    own = isinstance(edit, Edit) and not edit.joint
    group = torch.tensor([edit.index_of(said.group)] * len(which)) if own and isinstance(edit, Edit) else None
    seeds: list[tuple[str | int, ...]] = [(*said.noise, said.item, s) for s in which]
    captions = None if said.text is None else [said.text]
    with same.under(edit) as mitigated:
        return mitigated.pictures(seeds, y[None], captions=captions, group=group)[0]
