"""What is sent ahead of an audit: pictures, then named by their digest, and lists of targets, then named by an id."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, model_validator

from palimpsest.contract.methods import Identifier
from palimpsest.contract.model import Asked, Told
from palimpsest.contract.request import Image, NamedImage, Region, Target

MOST_FILES = 100
MOST_TITLE = 200
NO_CONTROLS = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
"""No control characters but tabs and line ends."""

Prompt = Annotated[str, Field(max_length=10_000, pattern=NO_CONTROLS)]
Title = Annotated[str, Field(max_length=MOST_TITLE, pattern=NO_CONTROLS)]


class UploadedImage(Told):
    """A picture that is kept: ``digest`` is the sha256 of the PNG that was made of it, by which requests name it.

    ``sha256_uploaded``, ``media_type`` are those of the file it came as; ``width`` and ``height`` are in pixels.
    """

    digest: str
    sha256_uploaded: str
    media_type: str
    width: int
    height: int


class UploadedImageList(Told):
    """The answer to POST /v1/images, in the order of the files."""

    data: list[UploadedImage]


class ImageStatus(UploadedImage):
    """The same, of one that is there: when it came, and when it was last sent or named by an audit or a set."""

    created_at: datetime
    used_at: datetime


class SetRow(Asked):
    """One target of a set, as a line of a file has it: a row of the literature's lists, or a target of a request.

    ``caption`` is their word for a prompt. ``index``, ``url``, ``type``, ``mean_sscd`` and ``max_sscd`` are theirs and
    are kept as they are; a URL is never fetched.
    """

    id: Identifier | None = None
    prompt: Prompt | None = None
    caption: Prompt | None = None
    images: list[Image] = Field(default_factory=list, max_length=16)
    region: Region | None = None
    index: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    url: Annotated[str, Field(max_length=4096, pattern=NO_CONTROLS)] | None = None
    type: Annotated[str, Field(max_length=64, pattern=NO_CONTROLS)] | None = None
    mean_sscd: float | None = None
    max_sscd: float | None = None

    @model_validator(mode="after")
    def one_prompt(self) -> Self:
        """A caption is a prompt: not both."""
        if self.prompt is not None and self.caption is not None:
            raise ValueError("prompt and caption are the same thing: give one")
        return self

    @property
    def text(self) -> str | None:
        """The prompt, by whichever name."""
        return self.caption if self.prompt is None else self.prompt

    def name(self, place: int) -> str:
        """What the report calls it: its id, its index where the list has one, or its place from 1."""
        if self.id is not None:
            return self.id
        return f"target-{place}" if self.index is None else str(self.index)

    def target(self, place: int) -> Target:
        """As a request would have it."""
        return Target(id=self.name(place), prompt=self.text, images=self.images, region=self.region)

    def named(self) -> list[str]:
        """The digests of its pictures that were sent ahead."""
        return [image.digest for image in self.images if isinstance(image, NamedImage)]


class UploadedSet(Told):
    """A list of targets that is kept; ``digest`` is the sha256 of its rows, ``images`` counts pictures."""

    id: str
    title: str
    digest: str
    count: int
    images: int
    created_at: datetime


class UploadedSetList(Told):
    """A page of them, newest first; ``next_cursor`` is null on the last."""

    data: list[UploadedSet]
    next_cursor: str | None
