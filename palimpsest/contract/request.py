"""What may be asked: which model, which images, which mitigations, at what effort."""

import binascii
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator

from palimpsest.contract.methods import (
    AdversarialEmbeddingParams,
    Analysis,
    Detector,
    Identifier,
    Mitigation,
    Params,
    Probe,
    PromptParams,
    Scorer,
    SscdParams,
)
from palimpsest.contract.model import Asked
from palimpsest.contract.verdicts import VerdictName

MOST_TARGETS = 10_000
MOST_METHODS = 16
MOST_REGIONS = 16
Label = Annotated[str, Field(max_length=256)]


PIECE = 2**18
"""Characters that are decoded at a time: other threads wait for as long as one call takes. A multiple of 4."""


def pieces(text: str) -> Iterator[bytes]:
    """The bytes that a text in base64 stands for, piece by piece; raises binascii.Error where it is none."""
    if "=" in text[:-2]:
        raise binascii.Error("padding before the end")
    for begin in range(0, len(text), PIECE):
        yield binascii.a2b_base64(text[begin : begin + PIECE], strict_mode=True)


class InlineImage(Asked):
    """One picture, carried in the request itself."""

    media_type: Literal["image/png", "image/jpeg", "image/webp"]
    base64: str = Field(min_length=1, description="the file's bytes in base64")

    @field_validator("base64")
    @classmethod
    def decodable(cls, text: str) -> str:
        """The text is base64."""
        try:
            for _ in pieces(text):
                pass
        except binascii.Error as error:
            raise ValueError("not base64") from error
        return text

    @property
    def content(self) -> bytes:
        """The file's bytes."""
        return b"".join(pieces(self.base64))


class NamedImage(Asked):
    """A picture that was sent ahead, by the digest that POST /v1/images told."""

    digest: str = Field(pattern=r"^[0-9a-f]{64}$")


HOW_GIVEN = ("inline", "named")
"""pydantic's findings have one of these behind the index of an image."""


def how_given(image: Any) -> str:
    """Which of the two an image is; one that is neither is judged as an inline one."""
    named = "digest" in image if isinstance(image, Mapping) else isinstance(image, NamedImage)
    return "named" if named else "inline"


Image = Annotated[Annotated[InlineImage, Tag("inline")] | Annotated[NamedImage, Tag("named")], Discriminator(how_given)]


class Region(Asked):
    """A rectangle of an image, in shares of its width and height; the upper left corner of the image is 0, 0."""

    x: float = Field(ge=0, lt=1)
    y: float = Field(ge=0, lt=1)
    width: float = Field(gt=0, le=1)
    height: float = Field(gt=0, le=1)

    @property
    def inside(self) -> bool:
        """Whether it ends where the image does, or before."""
        return self.x + self.width <= 1 + 1e-9 and self.y + self.height <= 1 + 1e-9

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in an image of so many pixels: the nearest pixels' edges."""
        right, bottom = min(1.0, self.x + self.width), min(1.0, self.y + self.height)
        return round(self.x * width), round(self.y * height), round(right * width), round(bottom * height)


class Target(Asked):
    """An image that may be memorized, and the caption that may bring it back.

    Without an image, a target needs a prompt and the request a detector: what the model draws of a prompt that is
    flagged stands in for the image.
    """

    id: Identifier | None = Field(
        None, description="names the target in the report; defaults to its place, from target-1"
    )
    prompt: str | None = Field(None, max_length=10_000)
    images: list[Image] = Field(default_factory=list, max_length=16)
    region: Region | None = Field(
        None, description="of a target with one image: what of it is judged, and alone (docs/regions.md)"
    )


class Policy(Asked):
    """What the asker would not accept: with a policy the report's summary also says pass or fail."""

    fail_on: list[VerdictName] = Field(["still_replicates", "concealed"], min_length=1)


def both_probes() -> list[Probe]:
    """The caption and a search from it."""
    return [PromptParams(), AdversarialEmbeddingParams()]


class AuditRequest(Asked):
    """One audit: every mitigation is judged on every target and, at the same budget, on every control."""

    model: str = Field(min_length=1, max_length=200, description="the id of a model under GET /v1/models")
    baseline_model: str | None = Field(None, max_length=200, description="the model this one was mitigated from")
    targets: list[Target] | None = Field(None, min_length=1, max_length=MOST_TARGETS)
    target_set: str | None = Field(
        None,
        max_length=200,
        validate_default=True,
        description="a named set under GET /v1/models, or the id of one that was sent to POST /v1/target-sets",
    )
    controls: list[Target] | None = Field(None, max_length=MOST_TARGETS)
    control_set: str | None = Field(None, max_length=200)
    mitigations: list[Mitigation] = Field(default_factory=list, max_length=MOST_METHODS)
    probes: list[Probe] = Field(default_factory=both_probes, min_length=1, max_length=MOST_METHODS)
    scorers: list[Scorer] = Field(default_factory=lambda: [SscdParams()], min_length=1, max_length=1)
    detectors: list[Detector] = Field(
        default_factory=list, max_length=MOST_METHODS, description="what is said of every prompt without its image"
    )
    analyses: list[Analysis] = Field(
        default_factory=list, max_length=MOST_METHODS, description="what else is measured of every mitigation"
    )
    policy: Policy | None = None
    effort: Literal["quick", "standard", "thorough"] = "standard"
    seed: int = Field(0, ge=0, lt=2**31)
    labels: dict[Identifier, Label] = Field(default_factory=dict, max_length=32)
    force_new: bool = Field(False, description="audit again even if an equal request has been answered")

    @field_validator("target_set", "control_set")
    @classmethod
    def one_source(cls, named: str | None, info: ValidationInfo) -> str | None:
        """Targets come from a list or a set; controls from one of them or from nowhere."""
        listed = "targets" if info.field_name == "target_set" else "controls"
        given = [source for source in (info.data.get(listed), named) if source is not None]
        if len(given) == 2 or (listed == "targets" and listed in info.data and not given):
            raise ValueError(f"give either {listed} or {info.field_name}")
        return named

    @field_validator("mitigations", "probes", "scorers", "detectors", "analyses")
    @classmethod
    def distinct_methods(cls, methods: list[Params]) -> list[Params]:
        """No two methods of a list share an id."""
        if has_repeated([method.name for method in methods]):
            raise ValueError("the same kind twice needs an id each")
        return methods

    @field_validator("targets", "controls")
    @classmethod
    def distinct_targets(cls, listed: list[Target] | None, info: ValidationInfo) -> list[Target] | None:
        """No two targets of a list share an id, given or by their place."""
        noun = str(info.field_name).removesuffix("s")
        if has_repeated([target.id or f"{noun}-{place}" for place, target in enumerate(listed or [], start=1)]):
            raise ValueError("an id is used twice")
        return listed


def has_repeated(names: list[str]) -> bool:
    """Whether a name occurs twice."""
    return len(set(names)) < len(names)
