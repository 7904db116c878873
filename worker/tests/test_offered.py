"""Which models a worker offers, of those it is told of, and that a fetched one is loaded with nobody to ask."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ledger import catalogue
from worker import offered
from worker.engine.errors import ModelChanged, ModelPickled, ModelRefused, SourceRefused, SourceUnreachable
from worker.engine.folder import digest_of
from worker.settings import WorkerSettings
from worker.sources import place_of
from worker.tests.engine import hostile_models
from worker.tests.hub_server import COMMIT, REPO, Hub, running
from worker.tests.shop import Shop
from worker.tests.test_fetched import PINNED


@pytest.fixture
def hub(demo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """It serves the tiny model to the process that fetches."""
    with running(Hub(demo / "model")) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def registered(place: Path, **source: Any) -> Path:
    """A registration of this source, with its neutral prompts beside it."""
    place.mkdir()
    (place / "neutral.txt").write_text("a cup\n")
    told = {"id": place.name, "title": "", "sampler": {"steps": 2, "guidance": 3.0}, "target_sets": [], **source}
    (place / "registration.json").write_text(json.dumps(told))
    return place / "registration.json"


def fetched(place: Path, **more: Any) -> Path:
    """A registration of what the hub has."""
    return registered(place, huggingface={"repo": REPO, "revision": COMMIT}, **more)


def settings(home: Path, *files: Path, **more: Any) -> WorkerSettings:
    """A worker's that offers these."""
    return WorkerSettings(home=home, registrations=list(files), **more)


def test_what_is_refused_is_left_out(demo: Path, tmp_path: Path) -> None:
    """The tiny model is offered beside a folder with a pickle; the log has its code, and alone it is an error."""
    bad = registered(tmp_path / "bad", folder="model")
    hostile_models.put(bad.parent, "model/weights.bin", b"hello")
    with capture_logs() as logs:
        found = offered.offered(settings(tmp_path, bad, demo / "registration.json"))
    assert [registration.id for registration in found] == ["tiny"]
    assert [(line["event"], line["code"]) for line in logs] == [("model.refused", "MODEL_PICKLED")]
    with pytest.raises(ModelPickled):
        offered.offered(settings(tmp_path, bad))


def test_what_another_process_was_refused_by_is_raised_here(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A branch, other bytes than are listed, another digest than the one stated: each by its own kind."""
    monkeypatch.setenv("PALIMPSEST_MODELS", str(tmp_path / "cache"))
    branch = registered(tmp_path / "branch", huggingface={"repo": REPO, "revision": "main"})
    with pytest.raises(SourceRefused):
        offered.at_hand(branch, tmp_path / "cache")
    other = fetched(tmp_path / "other", digest="0" * 64)
    with pytest.raises(ModelChanged, match="another model"):
        offered.at_hand(other, tmp_path / "cache")
    hub.served[hostile_models.WEIGHTS] = bytes((hub.folder / hostile_models.WEIGHTS).stat().st_size)
    with pytest.raises(SourceUnreachable, match="sha256"):
        offered.at_hand(fetched(tmp_path / "damaged"), tmp_path / "cache")


def test_a_fetched_model_is_audited_with_nobody_to_ask(
    hub: Hub, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker fetches it at its start. With the hub gone the next start offers it and an audit of it runs through.

    Then a file in the cache is changed: what was recorded is not there any more, and the worker does not offer it.
    """
    cache = tmp_path / "cache"
    monkeypatch.setenv("PALIMPSEST_MODELS", str(cache))
    file = fetched(tmp_path / "tiny", target_sets=json.loads((demo / "registration.json").read_text())["target_sets"])
    for name in ("targets", "controls"):
        (file.parent / name).symlink_to(demo / name)
        (file.parent / f"{name}.jsonl").symlink_to(demo / f"{name}.jsonl")
    first = Shop.open(demo, tmp_path / "home", registrations=[file], models=cache)
    first.close()
    hub.asked.clear()
    hub.down = True
    shop = Shop.open(demo, tmp_path / "home", registrations=[file], models=cache)
    report = shop.audit({"target_set": "tiny:targets", "probes": [{"kind": "prompt"}], "mitigations": []})
    shop.close()
    assert hub.asked == []
    assert [model.digest for model in report.models] == [digest_of(demo / "model")]
    kept = place_of(PINNED, cache) / "model" / "model_index.json"
    kept.write_text(kept.read_text() + "\n")
    with pytest.raises(ModelChanged, match="not the one that was registered or fetched"):
        Shop.open(demo, tmp_path / "home", registrations=[file], models=cache)


def test_a_stated_digest_holds_for_a_folder_too(demo: Path, tmp_path: Path) -> None:
    """The right one passes; with another the worker does not open, though it has a second model."""
    right = registered(tmp_path / "right", folder=str(demo / "model"), digest=digest_of(demo / "model"))
    wrong = registered(tmp_path / "wrong", folder=str(demo / "model"), digest="0" * 64)
    shop = Shop.open(demo, tmp_path / "home", registrations=[right, demo / "registration.json"])
    assert list(shop.workshop.registrations) == ["right", "tiny"]
    shop.close()
    with pytest.raises(ModelChanged):
        Shop.open(demo, tmp_path / "home", registrations=[wrong, demo / "registration.json"])


def test_what_turns_out_to_be_no_model_is_offered_no_longer(demo: Path, tmp_path: Path) -> None:
    """Vetted, but its parts do not go together: the catalogue has the other model only; alone it is an error."""
    bad = registered(tmp_path / "bad", folder="model")
    hostile_models.write(bad.parent / "model")
    with capture_logs() as logs:
        shop = Shop.open(demo, tmp_path / "home", registrations=[bad, demo / "registration.json"])
    with shop.workshop.ledger.reading() as connection:
        assert [card["id"] for card in catalogue.model_cards(connection, catalogue.HOME)] == ["tiny"]
    assert [line["code"] for line in logs if line["event"] == "model.refused"] == ["MODEL_REFUSED"]
    shop.close()
    with pytest.raises(ModelRefused):
        Shop.open(demo, tmp_path / "home", registrations=[bad])


def test_a_worker_without_its_models_ends(tmp_path: Path) -> None:
    """A real one, told of a branch: it ends by itself and says the code, not as if all were well."""
    branch = registered(tmp_path / "branch", huggingface={"repo": REPO, "revision": "main"})
    told = {"PALIMPSEST_HOME": str(tmp_path / "home"), "PALIMPSEST_REGISTRATIONS": json.dumps([str(branch)])}
    command = [sys.executable, "-m", "celery", "-A", "worker.app", "worker", "-P", "prefork", "-c", "1"]
    done = subprocess.run(command, env=os.environ | told, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 1
    assert "MODEL_SOURCE_REFUSED: a revision is a whole commit" in done.stderr
