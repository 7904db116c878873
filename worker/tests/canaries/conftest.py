"""The tiny sets as rows to plant, and regular pictures to plant them beside."""

from pathlib import Path

import pytest
import torch

from worker.canaries import rows
from worker.canaries.recipe import Planting
from worker.canaries.rows import Specimen
from worker.engine.model import DiffusionModel
from worker.engine.own_draws import Regular
from worker.tests import tiny


def specimens(folder: Path, name: str, copies: int = 0) -> list[Specimen]:
    """A tiny set; the n-th image has n times as many copies."""
    return [
        Specimen(s.id, s.prompt, s.file, n * copies) for n, s in enumerate(rows.read(folder / f"{name}.jsonl"), start=1)
    ]


@pytest.fixture
def canaries(demo: Path) -> list[Specimen]:
    """fox, kite and bell in 2, 4 and 6 copies."""
    return specimens(demo, "targets", copies=2)


@pytest.fixture
def unplanted(demo: Path) -> list[Specimen]:
    """lamp and boat."""
    return specimens(demo, "controls")


@pytest.fixture
def regular(model: DiffusionModel) -> Regular:
    """Four latents at random under neutral captions."""
    x_0 = torch.randn((4, *model.latent_shape), generator=torch.Generator().manual_seed(1))
    return Regular(x_0, model.encode_prompts(tiny.NEUTRAL[:4]))


@pytest.fixture
def planting() -> Planting:
    """Four steps of eight rows: two passes of a deck of sixteen."""
    return Planting(steps=4, batch_size=8, learning_rate=1e-3, ema=0.9, seed=5)
