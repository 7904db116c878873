"""Where a registered model comes from: a folder of this machine, a prefix in an S3 bucket, or a commit on Hugging Face.

    "folder": "model"                                                      beside the registration, or anywhere
    "s3": {"bucket": "models", "prefix": "sd/v1"}
    "huggingface": {"repo": "CompVis/stable-diffusion-v1-4", "revision": "<40 hexadecimal digits>"}

A branch or a tag is no revision: what it names changes. What a prefix holds may change too; the digest says so.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from worker.engine.errors import SourceRefused

MODEL = "model"
"""The folder of the model within the place where it is kept."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SEGMENT = re.compile(r"(?!\.+$)[A-Za-z0-9._=-]{1,128}")
_REVISION = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class S3:
    """Everything of a model below a prefix; the empty prefix is the whole bucket."""

    bucket: str
    prefix: str

    def __post_init__(self) -> None:
        segments = self.prefix.split("/") if self.prefix else []
        if not _BUCKET.fullmatch(self.bucket) or not all(_SEGMENT.fullmatch(segment) for segment in segments):
            raise SourceRefused("an S3 source has the name of a bucket and a prefix without slashes at its ends")


@dataclass(frozen=True)
class HuggingFace:
    """A repository at one commit."""

    repo: str
    revision: str

    def __post_init__(self) -> None:
        names = self.repo.split("/")
        if len(names) > 2 or not all(_SEGMENT.fullmatch(name) for name in names):
            raise SourceRefused("a Hugging Face source names a repository as owner/name")
        if not _REVISION.fullmatch(self.revision):
            raise SourceRefused("a revision is a whole commit, 40 hexadecimal digits: branches and tags move")


Source = S3 | HuggingFace

KINDS: dict[str, type[S3] | type[HuggingFace]] = {"s3": S3, "huggingface": HuggingFace}


def source_in(stated: dict[str, Any]) -> str | Source:
    """The one source that a registration states; a folder as it is written. Raises SourceRefused."""
    named = [kind for kind in ("folder", *KINDS) if kind in stated]
    if len(named) != 1:
        raise SourceRefused("a registration names one source: folder, s3 or huggingface")
    [kind] = named
    told = stated[kind]
    if kind == "folder" and isinstance(told, str):
        return told
    fields = set(getattr(KINDS.get(kind), "__dataclass_fields__", ()))
    if not isinstance(told, dict) or set(told) != fields or not all(isinstance(value, str) for value in told.values()):
        raise SourceRefused(f"the source {kind} is not as it is described in docs/models.md")
    return KINDS[kind](**told)


def said(source: Source) -> dict[str, dict[str, str]]:
    """The source as a registration states it."""
    return {name: asdict(source) for name, kind in KINDS.items() if isinstance(source, kind)}


def place_of(source: Source, cache: Path) -> Path:
    """Where in the cache what comes from a source is kept: another source, another place."""
    content = json.dumps(said(source), sort_keys=True).encode()
    return cache / f"{type(source).__name__.lower()}-{hashlib.sha256(content).hexdigest()[:40]}"
