"""One tiny model for the whole session, and the engine's and the worker's surroundings made of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from worker.engine.images import read
from worker.engine.items import Item
from worker.engine.model import MOST_PICTURES, MOST_ROWS, DiffusionModel
from worker.engine.parts import Parts
from worker.engine.scorers.sscd import Descriptor, open_descriptor
from worker.engine.setting import Effort, Sampler, Setting
from worker.tests import tiny
from worker.tests.shop import Shop

EFFORT = Effort("tiny", images=2, hits=1, restarts=1, looks=(1,), look_images=1, items_per_unit=4, neutral_images=4)


@pytest.fixture(autouse=True)
def arithmetic() -> None:
    """Tiny tensors on one thread, and small numbers that stay numbers, whatever a command under test has set."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny model and all that belongs to it."""
    folder = tmp_path_factory.mktemp("demo") / "tiny"
    tiny.write(folder)
    return folder


@pytest.fixture(scope="session")
def loaded(demo: Path) -> Iterator[DiffusionModel]:
    """The tiny model; not a weight of it has changed when the last test is over."""
    model = DiffusionModel.load(demo / "model")
    before = {name: weight.clone() for name, weight in model.unet.state_dict().items()}
    yield model
    assert list(model.unet.state_dict()) == list(before)
    assert all(torch.equal(weight, before[name]) for name, weight in model.unet.state_dict().items())


@pytest.fixture
def model(loaded: DiffusionModel) -> Iterator[DiffusionModel]:
    """The tiny model without a watch, and with all the memory it may want."""
    yield loaded
    loaded.on_forward = loaded.admit = None
    loaded.parts, loaded.parts_with_gradient = Parts(MOST_ROWS), Parts(MOST_ROWS)
    loaded.pictures = Parts(MOST_PICTURES)


@pytest.fixture(scope="session")
def descriptor(demo: Path) -> Descriptor:
    """The tiny descriptor."""
    return open_descriptor(demo / "descriptor" / "card.json")


@pytest.fixture
def setting(model: DiffusionModel, descriptor: Descriptor) -> Setting:
    """An audit's surroundings in which no picture is a copy."""
    strict = replace(descriptor, threshold=2.0)
    return Setting(model, strict, Sampler(steps=2, guidance=3.0), EFFORT, seed=0, neutral=tiny.NEUTRAL)


@pytest.fixture
def generous(setting: Setting) -> Setting:
    """The same surroundings, in which every picture is a copy."""
    return replace(setting, descriptor=replace(setting.descriptor, threshold=-2.0))


@pytest.fixture
def targets(demo: Path) -> list[Item]:
    """Three images with captions."""
    return [
        Item(id, "target", prompt, read((demo / "targets" / f"{id}.png").read_bytes(), tiny.SIDE))
        for id, prompt in tiny.TARGETS.items()
    ]


@pytest.fixture
def controls(demo: Path) -> list[Item]:
    """Two images with captions."""
    return [
        Item(id, "control", prompt, read((demo / "controls" / f"{id}.png").read_bytes(), tiny.SIDE))
        for id, prompt in tiny.CONTROLS.items()
    ]


@pytest.fixture
def shop(demo: Path, tmp_path: Path) -> Iterator[Shop]:
    """A worker with an empty SQLite ledger, open for business."""
    shop = Shop.open(demo, tmp_path / "home")
    yield shop
    shop.close()
