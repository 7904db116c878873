"""A small analysis, and triggers made by hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from palimpsest.contract.methods import LocalityParams, NemoParams, WandaParams
from worker.engine.images import read
from worker.engine.items import Item
from worker.engine.locality.analysis import Locality, analyse
from worker.engine.locality.triggers import Triggers
from worker.engine.model import DiffusionModel
from worker.engine.scorers.sscd import Descriptor
from worker.engine.setting import Sampler, Setting
from worker.tests import tiny
from worker.tests.conftest import EFFORT

Make = Callable[[list[str], torch.Tensor, torch.Tensor], Triggers]


PARAMS = LocalityParams(
    triggers=3,
    steps=2,
    batch_size=2,
    prompts=4,
    permutations=99,
    nemo=NemoParams(seeds=4, similarity=1e-6, theta_min=4, refine=False),
    wanda=WandaParams(timesteps=1, sparsity=0.1),
)
"""Three searches of two steps; NeMo keeps whatever it first selects, Wanda looks at one step."""


@pytest.fixture
def params() -> LocalityParams:
    """A small analysis."""
    return PARAMS


@pytest.fixture
def by_hand() -> Make:
    """Triggers with given images, starts and ends."""

    def made(images: list[str], y_0: torch.Tensor, y: torch.Tensor) -> Triggers:
        return Triggers("gaussian", images, y_0, y, tried=len(images), found=len(images))

    return made


@pytest.fixture(scope="session")
def analysed(loaded: DiffusionModel, descriptor: Descriptor, demo: Path) -> Locality:
    """All of it on the tiny model, where every picture is a copy."""
    everything = replace(descriptor, threshold=-2.0)
    setting = Setting(loaded, everything, Sampler(steps=2, guidance=3.0), EFFORT, seed=0, neutral=tiny.NEUTRAL)
    targets = [
        Item(id, "target", prompt, read((demo / "targets" / f"{id}.png").read_bytes(), tiny.SIDE))
        for id, prompt in tiny.TARGETS.items()
    ]
    return analyse(setting, targets, PARAMS)
