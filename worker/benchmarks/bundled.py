"""The bundled model as the benchmarks and the tests use it: opened once, its sets as items."""

from functools import cache
from pathlib import Path

from worker.engine.images import read
from worker.engine.items import Item
from worker.engine.model import DiffusionModel
from worker.engine.scorers.sscd import Descriptor, open_descriptor
from worker.engine.setting import EFFORTS, Sampler, Setting
from worker.registrations import Registration
from worker.registrations import read as read_registration

DEMO = Path(__file__).resolve().parent.parent / "demo"


@cache
def registration() -> Registration:
    """What the bundled model is registered as."""
    return read_registration(DEMO / "registration.json")


@cache
def model() -> DiffusionModel:
    """The bundled model."""
    return DiffusionModel.load(registration().folder)


@cache
def descriptor() -> Descriptor:
    """The bundled descriptor."""
    return open_descriptor(DEMO / "descriptor" / "card.json")


def setting(seed: int, effort: str = "quick") -> Setting:
    """An audit's surroundings on the bundled model."""
    sampler = Sampler(registration().steps, registration().guidance)
    return Setting(model(), descriptor(), sampler, EFFORTS[effort], seed, registration().neutral)


def items(name: str) -> list[Item]:
    """A bundled set; everything but targets serves as control."""
    role = "target" if name == "targets" else "control"
    rows = registration().rows(f"bundled:{name}")
    return [Item(row.id, role, row.prompt, read(row.file.read_bytes(), model().resolution)) for row in rows]  # type: ignore[arg-type]
