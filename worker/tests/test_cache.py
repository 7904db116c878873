"""Models within a bound, on copies of the tiny model that differ in a config."""

import gc
import shutil
import weakref
from pathlib import Path

import pytest

from worker.cache import ModelCache
from worker.engine.errors import Cancelled
from worker.engine.folder import bytes_of, digest_of


@pytest.fixture
def folders(demo: Path, tmp_path: Path) -> dict[str, Path]:
    """Three models of equal size, by digest."""
    found = {}
    for n in range(3):
        folder = tmp_path / str(n)
        shutil.copytree(demo / "model", folder)
        with (folder / "model_index.json").open("a") as file:
            file.write("\n" * n)
        found[digest_of(folder)] = folder
    return found


def test_a_model_is_loaded_once(folders: dict[str, Path]) -> None:
    """Until it is loaded there is none; then it is at hand."""
    digest, folder = next(iter(folders.items()))
    cache = ModelCache(2**30)
    assert cache.get(digest) is None
    model = cache.load(folder, digest)
    assert cache.get(digest) is model
    assert model.digest == digest


def test_the_one_used_longest_ago_leaves(folders: dict[str, Path]) -> None:
    """Room for two of three: a, b, a again, then c in place of b, whose memory is free."""
    (a, b, c) = folders
    cache = ModelCache(2 * bytes_of(folders[a]))
    for digest in (a, b):
        cache.load(folders[digest], digest)
    left = weakref.ref(cache.get(b))
    cache.get(a)
    cache.load(folders[c], c)
    assert cache.digests == [a, c]
    gc.collect()
    assert left() is None


def test_a_model_larger_than_the_bound_is_alone(folders: dict[str, Path]) -> None:
    """Room for none: whatever is asked for is there, and nothing else."""
    cache = ModelCache(1)
    for digest, folder in folders.items():
        assert cache.load(folder, digest).digest == digest
        assert cache.digests == [digest]
    cache.clear()
    assert cache.digests == []


def test_a_loading_that_is_stopped_leaves_nothing(folders: dict[str, Path]) -> None:
    """Cancelled half-way: the model is not at hand."""
    digest, folder = next(iter(folders.items()))
    cache = ModelCache(2**30)

    def stop(rows: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        cache.load(folder, digest, stop)
    assert cache.digests == []
