"""Evidence: durable, verified on every read, and never outside its tenant's folder."""

import errno
import hashlib
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.errors import EvidenceCorrupt, EvidenceMissing
from ledger.evidence import EvidenceStore, Kept

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2: SHA-256 of "abc"


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    """An empty store."""
    return EvidenceStore((tmp_path / "evidence").as_uri())


def put(store: EvidenceStore, content: bytes, tenant: str = "local") -> Kept:
    """Keep an image."""
    return store.put(tenant, content, name="image-0", kind="image", media_type="image/png")


def files(store: EvidenceStore) -> list[str]:
    """Every file of the store."""
    return sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())


def test_a_blob_is_kept_under_its_digest(store: EvidenceStore) -> None:
    """Three bytes come back, filed by tenant and digest, and nothing else is left behind."""
    assert put(store, b"abc") == Kept("image-0", "image", ABC, "image/png", 3)
    assert files(store) == [f"local/ba/{ABC}"]
    assert store.get("local", ABC) == b"abc"


def test_an_empty_blob_is_a_blob(store: EvidenceStore) -> None:
    """Zero bytes have a digest too."""
    assert store.get("local", put(store, b"").digest) == b""


def test_putting_twice_is_putting_once(store: EvidenceStore) -> None:
    """Equal bytes are one file."""
    assert put(store, b"abc") == put(store, b"abc")
    assert len(files(store)) == 1


@pytest.mark.parametrize("damage", [b"abd", b"ab", b""])
def test_a_damaged_blob_is_never_served_and_is_mended_by_putting_it_again(store: EvidenceStore, damage: bytes) -> None:
    """A changed, a cut and an emptied file raise EvidenceCorrupt."""
    put(store, b"abc")
    (store.root / "local" / "ba" / ABC).write_bytes(damage)
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
def test_what_is_not_a_digest_is_not_looked_for(store: EvidenceStore, digest: str) -> None:
    """A path in place of a digest reads nothing."""
    put(store, b"abc")
    (store.root / "secret").write_bytes(b"secret")
    with pytest.raises(EvidenceMissing):
        store.get("local", digest)


@pytest.mark.parametrize("tenant", ["", ".", "..", "../local", "a/b", "/etc", "a\\b", "a\0", "local\n"])
def test_what_cannot_be_a_folders_name_is_no_tenant(store: EvidenceStore, tenant: str) -> None:
    """A tenant that would lead elsewhere is refused, writing and reading."""
    with pytest.raises(ValueError, match="tenant"):
        put(store, b"abc", tenant=tenant)
    with pytest.raises(ValueError, match="tenant"):
        store.get(tenant, ABC)
    assert not store.root.exists()


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


def test_a_blob_that_does_not_fit_leaves_nothing(store: EvidenceStore) -> None:
    """When the disk takes only a part, the part is removed and the error is the disk's."""
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


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "/plain/path", ""])
def test_only_folders_are_stores(url: str) -> None:
    """Any other place is refused at the start, by name."""
    with pytest.raises(ValueError, match="file://"):
        EvidenceStore(url)
