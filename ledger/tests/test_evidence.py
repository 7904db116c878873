"""Evidence: durable, verified on every read, and never outside its tenant's folder."""

import errno
import hashlib
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.blobs import blobs_at
from ledger.errors import EvidenceCorrupt, EvidenceMissing
from ledger.evidence import BLOCK_BYTES, EvidenceStore, Kept
from ledger.tests.servers import ObjectStore, free_port

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2: SHA-256 of "abc"
OTHER = hashlib.sha256(b"other").hexdigest()


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a place where nothing is: a folder that does not exist, or a prefix of a bucket."""
    if request.param == "folder":
        return (tmp_path / "evidence").as_uri()
    server: ObjectStore = request.getfixturevalue("object_store")
    return f"{server.url}/{tmp_path.name}/{tmp_path.parent.name}"


@pytest.fixture
def store(place: str) -> EvidenceStore:
    """An empty store."""
    return EvidenceStore(place)


@pytest.fixture
def folder(tmp_path: Path) -> EvidenceStore:
    """An empty store in a folder."""
    return EvidenceStore((tmp_path / "evidence").as_uri())


def put(store: EvidenceStore, content: bytes, tenant: str = "local") -> Kept:
    """Keep an image."""
    return store.put(tenant, content, name="image-0", kind="image", media_type="image/png")


def files(store: EvidenceStore) -> list[str]:
    """Every file of a folder."""
    return sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())


def kept(store: EvidenceStore) -> list[tuple[str, str]]:
    """Every blob of a store, by tenant, that these tests put."""
    prefixes = (ABC[:2], OTHER[:2])
    return [(tenant, digest) for tenant in store.tenants() for p in prefixes for digest in store.digests(tenant, p)]


def test_a_blob_is_kept_under_its_digest(store: EvidenceStore) -> None:
    """Three bytes come back, filed by tenant and digest, and nothing else is left behind."""
    assert put(store, b"abc") == Kept("image-0", "image", ABC, "image/png", 3)
    assert kept(store) == [("local", ABC)]
    assert store.get("local", ABC) == b"abc"


def test_a_folder_holds_nothing_but_blobs(folder: EvidenceStore) -> None:
    """One file, under its tenant and the beginning of its digest; no temporary one is left."""
    put(folder, b"abc")
    assert files(folder) == [f"local/ba/{ABC}"]


def test_an_empty_blob_is_a_blob(store: EvidenceStore) -> None:
    """Zero bytes have a digest too."""
    assert store.get("local", put(store, b"").digest) == b""


def test_putting_twice_is_putting_once(store: EvidenceStore) -> None:
    """Equal bytes are one file."""
    assert put(store, b"abc") == put(store, b"abc")
    assert kept(store) == [("local", ABC)]


@pytest.mark.parametrize("content", [b"", b"abc", bytes(BLOCK_BYTES), bytes(2 * BLOCK_BYTES + 1)])
def test_a_blob_is_read_block_by_block(store: EvidenceStore, content: bytes) -> None:
    """None is larger than a block, and together they are the blob."""
    blocks = list(store.blocks("local", put(store, content).digest))
    assert b"".join(blocks) == content
    assert max(map(len, blocks)) <= BLOCK_BYTES


def test_a_damaged_blob_breaks_off_before_its_last_block(folder: EvidenceStore) -> None:
    """Of three blocks two come; one that is not there, or another tenant's, ends before the first."""
    digest = put(folder, bytes(3 * BLOCK_BYTES)).digest
    (folder.root / "local" / digest[:2] / digest).write_bytes(bytes(3 * BLOCK_BYTES - 1) + b"?")
    blocks = folder.blocks("local", digest)
    assert [len(next(blocks)), len(next(blocks))] == [BLOCK_BYTES, BLOCK_BYTES]
    with pytest.raises(EvidenceCorrupt):
        next(blocks)
    for tenant, missing in (("local", ABC), ("other", digest)):
        with pytest.raises(EvidenceMissing):
            next(folder.blocks(tenant, missing))


def test_a_removed_blob_is_missing_and_can_be_put_again(store: EvidenceStore) -> None:
    """Removing twice is removing once; the other blob stays."""
    put(store, b"other")
    put(store, b"abc")
    for _ in range(2):
        store.remove("local", ABC)
    with pytest.raises(EvidenceMissing):
        store.get("local", ABC)
    assert (store.put_at("local", ABC), kept(store)) == (None, [("local", OTHER)])
    put(store, b"abc")
    assert store.get("local", ABC) == b"abc"


def test_a_store_tells_when_a_blob_was_put_last(store: EvidenceStore) -> None:
    """Within a second of this machine's clock, and later when it is put again."""
    before = time.time()
    put(store, b"abc")
    first = store.put_at("local", ABC)
    time.sleep(1.1)
    put(store, b"abc")
    second = store.put_at("local", ABC)
    assert first is not None
    assert second is not None
    assert before - 1 <= first < second <= time.time() + 1


def test_an_empty_place_has_nothing(store: EvidenceStore) -> None:
    """Before the first blob there is no tenant; of an unknown one there are no digests."""
    assert (store.tenants(), store.digests("local", "ba")) == ([], [])


@pytest.mark.parametrize("damage", [b"abd", b"ab", b""])
def test_a_damaged_blob_is_never_served_and_is_mended_by_putting_it_again(place: str, damage: bytes) -> None:
    """A changed, a cut and an emptied file raise EvidenceCorrupt."""
    store = EvidenceStore(place)
    put(store, b"abc")
    blobs_at(place).write(f"local/ba/{ABC}", damage)
    with pytest.raises(EvidenceCorrupt):
        store.get("local", ABC)
    put(store, b"abc")
    assert store.get("local", ABC) == b"abc"


def test_a_missing_blob_and_another_tenants_are_missing(store: EvidenceStore) -> None:
    """What this tenant did not put is not there."""
    with pytest.raises(EvidenceMissing):
        store.get("local", ABC)
    put(store, b"abc", tenant="other")
    with pytest.raises(EvidenceMissing):
        store.get("local", ABC)


@pytest.mark.parametrize(
    "digest", ["../../secret", "", "ba", ABC.upper(), ABC + "0", f"{ABC}/../../../secret", f"{ABC}\n"]
)
def test_what_is_not_a_digest_is_not_looked_for(folder: EvidenceStore, digest: str) -> None:
    """A path in place of a digest reads nothing."""
    put(folder, b"abc")
    (folder.root / "secret").write_bytes(b"secret")
    with pytest.raises(EvidenceMissing):
        folder.get("local", digest)


@pytest.mark.parametrize("tenant", ["", ".", "..", "../local", "a/b", "/etc", "a\\b", "a\0", "local\n"])
def test_what_cannot_be_a_folders_name_is_no_tenant(folder: EvidenceStore, tenant: str) -> None:
    """A tenant that would lead elsewhere is refused, writing and reading."""
    with pytest.raises(ValueError, match="tenant"):
        put(folder, b"abc", tenant=tenant)
    with pytest.raises(ValueError, match="tenant"):
        folder.get(tenant, ABC)
    assert not folder.root.exists()


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """The operating system refuses to write more into any file, as a full disk would."""
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_blob_that_does_not_fit_leaves_nothing(folder: EvidenceStore) -> None:
    """When the disk takes only a part, the part is removed and the error is the disk's."""
    store = folder
    with files_no_larger_than(1024), pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        put(store, b"x" * 4096)
    assert files(store) == []
    with pytest.raises(EvidenceMissing):
        store.get("local", hashlib.sha256(b"x" * 4096).hexdigest())


def test_folders_with_odd_names_work(tmp_path: Path) -> None:
    """A URL quotes them and the store reads them back."""
    folder = tmp_path / "my audits #1 100%?"
    store = EvidenceStore(folder.as_uri())
    put(store, b"abc")
    assert (folder / "local" / "ba" / ABC).read_bytes() == b"abc"


@pytest.mark.parametrize("url", ["gs://bucket/prefix", "s3:///prefix", "/plain/path", ""])
def test_only_folders_and_buckets_are_stores(url: str) -> None:
    """Any other place is refused at the start, by name."""
    with pytest.raises(ValueError, match="file:// or an s3://"):
        EvidenceStore(url)


def test_a_store_that_does_not_answer_is_an_error_of_the_disk(
    object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens: within seconds an OSError, writing, reading, listing and removing, and never "missing"."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    store = EvidenceStore(object_store.url)
    for ask in (
        lambda: put(store, b"abc"),
        lambda: store.get("local", ABC),
        lambda: store.digests("local", "ba"),
        lambda: store.remove("local", ABC),
    ):
        with pytest.raises(OSError, match="does not answer"):
            ask()


def test_a_bucket_that_does_not_exist_takes_nothing(object_store: ObjectStore) -> None:
    """Writing there is an OSError."""
    with pytest.raises(OSError, match=r".*"):
        put(EvidenceStore("s3://no-such-bucket"), b"abc")
