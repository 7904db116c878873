"""Bytes by path: in a local folder or in an S3-compatible bucket, chosen by URL. The one file that knows fsspec.

    file:///srv/evidence     a folder: written to a temporary file, flushed, renamed into place, the folders flushed
    s3://bucket/prefix       a bucket: one PUT; endpoint and credentials are botocore's own AWS_* variables

Either way whoever reads finds the old bytes, the new bytes or none, never a part of them. What fails for another reason
than that there is nothing is an OSError, whichever library found out.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlparse

import fsspec

_LARGEST_PUT = 5 * 2**30
"""Bytes; S3 takes no more in one request."""


class Blobs(Protocol):
    """A place for bytes; paths are relative and separated by slashes."""

    root: str

    def write(self, path: str, content: bytes) -> None:
        """Durable when it returns."""

    def read(self, path: str) -> bytes:
        """Raises FileNotFoundError."""

    def blocks(self, path: str, size: int) -> Iterator[bytes]:
        """The same, so many bytes at a time. Raises FileNotFoundError before the first."""

    def remove(self, path: str) -> None:
        """Removing what is not there is no error."""

    def modified(self, path: str) -> float | None:
        """When it was written last, in seconds since 1970 by the place's clock; None when there is nothing."""

    def names(self, path: str) -> list[str]:
        """What lies directly below, sorted; empty when there is nothing."""


def blobs_at(url: str) -> Blobs:
    """The place a URL names. Raises ValueError for any other kind of place."""
    parsed = urlparse(url)
    if parsed.scheme == "file":
        return Folder(unquote(parsed.netloc + parsed.path))
    if parsed.scheme == "s3" and parsed.netloc:
        return Bucket(f"{parsed.netloc}{parsed.path}".rstrip("/"))
    raise ValueError(f"evidence is kept under a file:// or an s3:// URL, not {parsed.scheme or url!r}")


class _Place:
    """What is alike in both."""

    def __init__(self, root: str, files: Any) -> None:
        self.root, self._files = root, files

    def read(self, path: str) -> bytes:
        with self._translated():
            content: bytes = self._files.cat_file(f"{self.root}/{path}")
        return content

    def blocks(self, path: str, size: int) -> Iterator[bytes]:
        with self._translated(), self._files.open(f"{self.root}/{path}", "rb") as file:
            while block := file.read(size):
                yield block

    def remove(self, path: str) -> None:
        with self._translated():
            try:
                self._files.rm_file(f"{self.root}/{path}")
            except FileNotFoundError:
                return

    def modified(self, path: str) -> float | None:
        with self._translated():
            try:
                return float(self._files.modified(f"{self.root}/{path}").timestamp())
            except FileNotFoundError:
                return None

    def names(self, path: str) -> list[str]:
        with self._translated():
            try:
                found = self._files.ls(f"{self.root}/{path}".rstrip("/"), detail=False)
            except FileNotFoundError:
                return []
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        yield


class Folder(_Place):
    """A folder of this machine, or one it has mounted."""

    def __init__(self, root: str) -> None:
        super().__init__(root, fsspec.filesystem("file"))

    def write(self, path: str, content: bytes) -> None:
        """Temporary file, fsync, rename, fsync of the folders from the file's own up to the root."""
        file = Path(self.root, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, content)
        folder = file.parent
        _sync(folder)
        while folder != Path(self.root):
            folder = folder.parent
            _sync(folder)


class Bucket(_Place):
    """A bucket of an S3-compatible store. ``root`` is its name and a prefix."""

    def __init__(self, root: str) -> None:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415  an embedded ledger never loads it

        self._unreachable = BotoCoreError
        once_and_soon = {
            "connect_timeout": 5,
            "read_timeout": 30,
            "retries": {"max_attempts": 2},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
        # Other processes write there too: nothing is remembered of what a listing said.
        settings = {"use_listings_cache": False, "skip_instance_cache": True, "config_kwargs": once_and_soon}
        super().__init__(root, fsspec.filesystem("s3", **settings))

    def write(self, path: str, content: bytes) -> None:
        """One PUT, which the store makes durable or refuses."""
        with self._translated():
            self._files.pipe_file(f"{self.root}/{path}", content, chunksize=_LARGEST_PUT)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._unreachable as error:
            raise OSError(f"the object store does not answer: {type(error).__name__}") from error


def _write(path: Path, content: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="new-") as folder:
        fresh = Path(folder) / path.name
        with fresh.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
