"""Models from a real object store and from a hub that answers as Hugging Face does: once, and whole or not at all."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from ledger.tests.servers import ObjectStore
from worker.engine.errors import EngineError, ModelChanged
from worker.engine.folder import digest_of
from worker.fetched import fetch, recorded
from worker.sources import S3, HuggingFace, Source, place_of
from worker.tests.engine import hostile_models
from worker.tests.engine.hostile_models import WEIGHTS, pickled
from worker.tests.hub_server import COMMIT, REPO, Hub, running

PINNED = HuggingFace(REPO, COMMIT)
PREFIX = S3("evidence", "models/sd")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good model, and beside it what no one should fetch."""
    folder = hostile_models.write(tmp_path / "upstream")
    for path in ("unet/diffusion_pytorch_model.bin", "v1.ckpt"):
        hostile_models.put(folder, path, pickled(2))
    for path in ("unet/diffusion_pytorch_model.fp16.safetensors", "v1.safetensors", "run.py", "safety_checker/x.json"):
        hostile_models.put(folder, path, b"not to be fetched")
    return folder


@pytest.fixture
def good(tmp_path: Path) -> str:
    """The digest of what is to be fetched of it."""
    return digest_of(hostile_models.write(tmp_path / "good"))


@pytest.fixture
def hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """It serves the folder, and the library asks it instead of huggingface.co."""
    with running(Hub(folder)) as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        files = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", files)
        yield hub


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """An S3-compatible server."""
    with ObjectStore(tmp_path_factory.mktemp("store") / "data") as store:
        os.environ.update(store.environment)
        yield store
        for name in store.environment:
            del os.environ[name]


def uploaded(store: ObjectStore, folder: Path, prefix: str) -> Any:
    """The folder's files below a prefix; the client that put them there."""
    client = boto3.client("s3", endpoint_url=store.environment["AWS_ENDPOINT_URL"])
    for path in folder.rglob("*"):
        if path.is_file():
            client.put_object(
                Bucket="evidence", Key=f"{prefix}/{path.relative_to(folder).as_posix()}", Body=path.read_bytes()
            )
    return client


def test_a_commit_is_fetched_once(hub: Hub, good: str, tmp_path: Path) -> None:
    """Of the repository only the layout, weights once; asked again, the hub is asked nothing, even when it is gone."""
    cache = tmp_path / "cache"
    assert recorded(PINNED, cache) is None
    assert fetch(PINNED, cache) == recorded(PINNED, cache) == good == digest_of(place_of(PINNED, cache) / "model")
    fetched = {path.rsplit("/", 1)[1] for path in hub.asked if "/resolve/" in path}
    assert not fetched & {"v1.ckpt", "run.py", "v1.safetensors", "diffusion_pytorch_model.bin", "x.json", "README.md"}
    names = {path.name for path in cache.iterdir()}
    assert names == {place_of(PINNED, cache).name, f"{place_of(PINNED, cache).name}.lock"}
    hub.asked.clear()
    hub.down = True
    assert fetch(PINNED, cache) == good
    assert hub.asked == []


def test_a_prefix_is_fetched_once(store: ObjectStore, folder: Path, good: str, tmp_path: Path) -> None:
    """The same of a bucket; what is written there afterwards changes nothing here."""
    client = uploaded(store, folder, PREFIX.prefix)
    cache = tmp_path / "cache"
    assert fetch(PREFIX, cache) == good
    client.put_object(Bucket="evidence", Key=f"{PREFIX.prefix}/tokenizer/vocab.json", Body=b"{}")
    assert fetch(PREFIX, cache) == recorded(PREFIX, cache) == good
    assert fetch(PREFIX, tmp_path / "another") != good


def refused(source: Source, cache: Path, stated: str | None = None) -> EngineError:
    """Why; nothing is left but the lock, and no digest is on record."""
    with pytest.raises(EngineError) as error:
        fetch(source, cache, stated)
    assert recorded(source, cache) is None
    assert [path.suffix for path in cache.iterdir()] == [".lock"]
    return error.value


def test_another_digest_than_stated_is_not_kept(hub: Hub, good: str, tmp_path: Path) -> None:
    """The registration's digest is what the source is held against; the right one passes."""
    assert isinstance(refused(PINNED, tmp_path / "cache", "0" * 64), ModelChanged)
    assert fetch(PINNED, tmp_path / "cache", good) == good


def test_what_a_hub_does_not_have_is_refused(hub: Hub, tmp_path: Path) -> None:
    """Another commit, another repository, a gated one, one without safetensors, and one that is wrong within."""
    cache = tmp_path / "cache"
    for source in (HuggingFace(REPO, "f" * 40), HuggingFace("no/body", COMMIT)):
        assert refused(source, cache).code == "MODEL_SOURCE_REFUSED"
        shutil.rmtree(cache)
    hub.gated = True
    assert refused(PINNED, cache).code == "MODEL_SOURCE_REFUSED"
    hub.gated = False
    hostile_models.put(hub.folder, "text_encoder/config.json", {"auto_map": {"AutoModel": "x.Y"}})
    assert refused(PINNED, cache).code == "MODEL_REMOTE_CODE"
    (hub.folder / WEIGHTS).unlink()
    hostile_models.put(hub.folder, "text_encoder/config.json", {})
    assert refused(PINNED, cache).code == "MODEL_REFUSED"
    shutil.rmtree(hub.folder)
    hub.folder.mkdir()
    assert refused(PINNED, cache).code == "MODEL_SOURCE_REFUSED"


def test_what_a_hub_lists_is_what_must_come(hub: Hub, tmp_path: Path) -> None:
    """Weights of the same size and other bytes, as a proxy in between may serve: refused, may be tried again."""
    hub.served[WEIGHTS] = hostile_models.GOOD[:-1] + b"\x01"
    error = refused(PINNED, tmp_path / "cache")
    assert (error.code, error.again) == ("MODEL_SOURCE_UNREACHABLE", True)
    assert "sha256" in str(error)


def test_what_a_bucket_does_not_have_is_refused(store: ObjectStore, tmp_path: Path) -> None:
    """An empty prefix, a bucket that is not there, and a folder with a pickle named as weights."""
    cache = tmp_path / "cache"
    assert refused(S3("evidence", "nothing"), cache).code == "MODEL_SOURCE_REFUSED"
    shutil.rmtree(cache)
    assert refused(S3("nobodys-bucket", "a"), cache).code == "MODEL_SOURCE_REFUSED"
    shutil.rmtree(cache)
    spoilt = hostile_models.write(tmp_path / "spoilt")
    (spoilt / WEIGHTS).write_bytes(pickled(2))
    uploaded(store, spoilt, "spoilt")
    assert refused(S3("evidence", "spoilt"), cache).code == "MODEL_PICKLED"


def test_a_store_that_is_away_is_no_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens there: it may be tried again, and nothing is kept."""
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    error = refused(PREFIX, tmp_path / "cache")
    assert (error.code, error.again) == ("MODEL_SOURCE_UNREACHABLE", True)


def test_whoever_fetches_may_be_killed(hub: Hub, good: str, tmp_path: Path) -> None:
    """kill -9 in the midst of a download leaves no model, and a lock that is free: the next fetches it whole."""
    registration, cache = tmp_path / "registration.json", tmp_path / "cache"
    registration.write_text(json.dumps(REGISTRATION))
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "PALIMPSEST_MODELS": str(cache)}
    answer = hub.answer

    def held(method: str, address: str) -> tuple[int, dict[str, str], bytes]:
        if "/large/" in address:
            killed.send_signal(signal.SIGKILL)
            killed.wait()
        return answer(method, address)

    hub.answer = held  # type: ignore[method-assign]
    killed = subprocess.Popen([sys.executable, "-m", "worker.fetch", str(registration)], env=environment)
    assert killed.wait(timeout=120) == -signal.SIGKILL
    assert recorded(PINNED, cache) is None
    assert any(path.suffix == ".new" for path in cache.iterdir())
    hub.answer = answer  # type: ignore[method-assign]
    assert fetch(PINNED, cache) == good
    assert not any(path.suffix == ".new" for path in cache.iterdir())


REGISTRATION = {
    "id": "fetched",
    "title": "A model from the hub",
    "huggingface": {"repo": REPO, "revision": COMMIT},
    "sampler": {"steps": 2, "guidance": 3.0},
    "target_sets": [],
}


def test_two_that_fetch_at_once_fetch_once(hub: Hub, good: str, tmp_path: Path) -> None:
    """The second waits for the first and finds the model; both say its digest."""
    registration, cache = tmp_path / "registration.json", tmp_path / "cache"
    registration.write_text(json.dumps(REGISTRATION))
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "PALIMPSEST_MODELS": str(cache)}
    command = [sys.executable, "-m", "worker.fetch", str(registration)]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert [(line["id"], line["digest"]) for line in told] == [("fetched", good)] * 2
    assert sum(line.startswith("GET") and line.endswith(f"/tree/{COMMIT}") for line in hub.asked) == 1
