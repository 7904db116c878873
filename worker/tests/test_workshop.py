"""What a worker process has at hand."""

import shutil
from pathlib import Path

import pytest

from palimpsest.contract import methods
from worker.engine.errors import Cancelled, MethodFailed, ModelChanged, OutOfMemory
from worker.tests.shop import Shop
from worker.workshop import ROOT, at_most, environment, sources


def test_a_model_is_asked_for_by_what_the_audit_was_planned_for(demo: Path, tmp_path: Path) -> None:
    """The same object while its digest is the same, though its folder is gone; another digest is another model."""
    folder = tmp_path / "tiny"
    shutil.copytree(demo, folder)
    shop = Shop.open(folder, tmp_path / "home")
    model = shop.workshop.model("tiny")
    assert shop.workshop.model("tiny", model.digest) is model
    shutil.move(folder / "model", folder / "elsewhere")
    assert shop.workshop.model("tiny", model.digest) is model
    shutil.move(folder / "elsewhere", folder / "model")
    with pytest.raises(ModelChanged):
        shop.workshop.model("tiny", "0" * 64)
    with pytest.raises(MethodFailed):
        shop.workshop.model("elsewhere")
    shop.close()


def test_loading_is_watched_inside_the_block_only(shop: Shop) -> None:
    """A lease is told that the loading advances, and can stop it; afterwards nobody is."""
    told: list[int] = []
    shop.workshop.models.clear()
    with shop.workshop.watched(told.append):
        model = shop.workshop.model("tiny")
    seen = len(told)
    assert seen > 3
    shop.workshop.models.clear()
    shop.workshop.model("tiny")
    assert len(told) == seen

    def stop(rows: int) -> None:
        raise Cancelled

    shop.workshop.models.clear()
    with pytest.raises(Cancelled), shop.workshop.watched(stop):
        shop.workshop.model("tiny", model.digest)
    assert shop.workshop.watch is None


def test_memory_that_is_known_is_not_tried_out(demo: Path, tmp_path: Path) -> None:
    """3 rows pass, 4 do not; without the setting nothing is refused."""
    shop = Shop.open(demo, tmp_path / "home", memory_rows=3)
    admit = shop.workshop.model("tiny").admit
    assert admit is not None
    admit(3)
    with pytest.raises(OutOfMemory, match="4 rows do not fit where 3 do"):
        admit(4)
    assert shop.workshop.settings.memory_rows == 3
    at_most(4)(4)
    shop.close()


def test_a_worker_serves_the_families_of_its_models(demo: Path, shop: Shop, tmp_path: Path) -> None:
    """sd1, unless the settings name others."""
    assert shop.workshop.families == ["sd1"]
    other = Shop.open(demo, tmp_path / "other", families=["sd1", "flux", "flux"])
    assert other.workshop.families == ["flux", "sd1"]
    other.close()


def test_an_audit_pins_the_defaults_of_every_method() -> None:
    """The file of every method's parameters is among the sources that the engine's digest is of, wherever it lies."""
    kinds = [*methods.MITIGATIONS.values(), *methods.PROBES.values(), *methods.DETECTORS.values()]
    files = {ROOT / f"{kind.__module__.replace('.', '/')}.py" for kind in [*kinds, *methods.ANALYSES.values()]}
    assert files <= set(sources())
    assert ROOT / "worker" / "stations.py" in sources()


def test_the_environment_says_how_much_memory_it_took(shop: Shop) -> None:
    """The process's peak: more than torch alone needs, less than the machine has."""
    peak = int(environment(shop.workshop.engine)["peak_rss_bytes"])
    assert 10**8 < peak < 10**12
