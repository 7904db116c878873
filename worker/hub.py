"""Models from Hugging Face: the one file that knows huggingface_hub.

Which endpoint and which token: the library's own variables, HF_ENDPOINT and HF_TOKEN. What is listed at the commit is
held against the layout first, so that no other file of the repository is ever downloaded, and every file against the
size and, where it is stored as a large one, the sha256 that the listing has of it.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import httpx2
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile

from worker.engine.errors import SourceRefused, SourceUnreachable
from worker.engine.vetting import MOST_BYTES, MOST_ENTRIES, wanted
from worker.sources import HuggingFace


def download(source: HuggingFace, into: Path, *, endpoint: str | None = None) -> None:
    """What the layout has of the repository at that commit, into a folder. Raises SourceRefused, SourceUnreachable."""
    with _translated(source):
        for file in _listed(source, endpoint):
            hf_hub_download(
                source.repo, file.path, revision=source.revision, local_dir=into, endpoint=endpoint, tqdm_class=None
            )
            _compare(into / file.path, file)
    shutil.rmtree(into / ".cache", ignore_errors=True)  # the library's notes on what it has downloaded


def _listed(source: HuggingFace, endpoint: str | None) -> list[RepoFile]:
    tree = HfApi(endpoint=endpoint).list_repo_tree(source.repo, recursive=True, revision=source.revision)
    files = [file for file in tree if isinstance(file, RepoFile) and wanted(PurePosixPath(file.path))]
    if not files:
        raise SourceRefused(f"{source.repo} holds nothing of a model in safetensors at this commit")
    if len(files) > MOST_ENTRIES or sum(file.size for file in files) > MOST_BYTES:
        raise SourceRefused(f"{source.repo} holds more than a model may")
    return files


def _compare(path: Path, listed: RepoFile) -> None:
    if path.stat().st_size != listed.size:
        raise SourceUnreachable(f"{path.name} came with another size than it is listed with")
    if listed.lfs is not None:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != listed.lfs.sha256:
                raise SourceUnreachable(f"{path.name} came with another sha256 than it is listed with")


@contextmanager
def _translated(source: HuggingFace) -> Iterator[None]:
    """The library's errors as the tree's; their words may hold signed addresses and are not repeated."""
    try:
        yield
    except LocalEntryNotFoundError as error:  # what the library says when a server gave up half-way
        raise SourceUnreachable(f"{source.repo} could not be downloaded: {type(error).__name__}") from None
    except GatedRepoError:
        raise SourceRefused(f"{source.repo} is given out only to tokens that its owner has let in") from None
    except (RepositoryNotFoundError, RevisionNotFoundError, RemoteEntryNotFoundError, HFValidationError):
        raise SourceRefused(f"there is no {source.repo} at this commit, or not for this token") from None
    except (OSError, httpx2.HTTPError, ValueError, KeyError, RuntimeError) as error:
        raise SourceUnreachable(f"{source.repo} could not be downloaded: {type(error).__name__}") from None
