"""What a registration may name as its model's source."""

from pathlib import Path
from typing import Any

import pytest

from worker.engine.errors import SourceRefused
from worker.sources import S3, HuggingFace, Source, place_of, said, source_in

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GOOD: dict[str, tuple[dict[str, Any], str | Source]] = {
    "folder": ({"folder": "model"}, "model"),
    "a bucket": ({"s3": {"bucket": "models", "prefix": ""}}, S3("models", "")),
    "a prefix": ({"s3": {"bucket": "my.models-1", "prefix": "sd/v1_4"}}, S3("my.models-1", "sd/v1_4")),
    "a repository": (
        {"huggingface": {"repo": "CompVis/stable-diffusion-v1-4", "revision": COMMIT}},
        HuggingFace("CompVis/stable-diffusion-v1-4", COMMIT),
    ),
    "a repository of nobody": ({"huggingface": {"repo": "gpt2", "revision": COMMIT}}, HuggingFace("gpt2", COMMIT)),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_source_is_one_of_three(name: str) -> None:
    """Beside whatever else the registration states."""
    stated, source = GOOD[name]
    assert source_in({"id": "m", **stated}) == source


def hub(**changed: object) -> dict[str, object]:
    """A Hugging Face source that says this instead."""
    return {"huggingface": {"repo": "a/b", "revision": COMMIT, **changed}}


def s3(**changed: object) -> dict[str, object]:
    """An S3 source that says this instead."""
    return {"s3": {"bucket": "models", "prefix": "a", **changed}}


BAD: dict[str, dict[str, object]] = {
    "none": {},
    "two": {"folder": "model", **s3()},
    "a folder that is none": {"folder": 7},
    "a text": {"s3": "s3://models/a"},
    "no revision": {"huggingface": {"repo": "a/b"}},
    "a branch": hub(revision="main"),
    "a short commit": hub(revision=COMMIT[:12]),
    "a commit and a line's end": hub(revision=COMMIT + "\n"),
    "a commit in capitals": hub(revision=COMMIT.upper()),
    "a pull request": hub(revision="refs/pr/1"),
    "three names": hub(repo="a/b/c"),
    "a way up": hub(repo="../b"),
    "an address": hub(repo="https://elsewhere/b"),
    "an endpoint of its own": hub(endpoint="http://169.254.169.254"),
    "a number": hub(repo=7),
    "no bucket": s3(bucket=""),
    "a bucket with a path": s3(bucket="models/other"),
    "a way out of the prefix": s3(prefix="a/../../b"),
    "a dot": s3(prefix="a/./b"),
    "a prefix with a slash before": s3(prefix="/a"),
    "a prefix with a slash behind": s3(prefix="a/"),
    "a pattern": s3(prefix="a/*"),
    "a query": s3(prefix="a?versionId=7"),
}


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_refused(name: str) -> None:
    """By its code."""
    with pytest.raises(SourceRefused) as refused:
        source_in({"id": "m", **BAD[name]})
    assert refused.value.code == "MODEL_SOURCE_REFUSED"


def test_sources_that_differ_are_kept_apart() -> None:
    """Each has a place of its own, whose name anything can bear, and says itself as it was stated."""
    sources: list[Source] = [
        S3("models", "a"),
        S3("models", "b"),
        HuggingFace("a/b", COMMIT),
        HuggingFace("a/b", "f" * 40),
    ]
    places = {place_of(source, Path("/cache")) for source in sources}
    assert len(places) == 4
    assert all(place.parent == Path("/cache") and place.name.isascii() for place in places)
    assert said(S3("models", "a")) == {"s3": {"bucket": "models", "prefix": "a"}}
