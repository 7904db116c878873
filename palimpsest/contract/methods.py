"""The parameters of every method, with the published defaults and where they were published.

A parameter set is part of a request, is echoed in the report, and is the only place a method's knobs live.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from palimpsest.contract.model import Asked

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Scope = Literal["joint", "per_target"]


class Params(Asked):
    """What every method has: a kind, and an id that defaults to it."""

    id: Identifier | None = Field(None, description="names this method in the report; defaults to its kind")

    @property
    def name(self) -> str:
        """The id, or the kind where none was given."""
        return self.id or str(self.kind)  # type: ignore[attr-defined]


class NoMitigationParams(Params):
    """Leave the model as it is."""

    kind: Literal["none"] = "none"


class NemoParams(Params):
    """Deactivate the value neurons a memorized prompt activates out of distribution.

    Hintersdorf et al., Finding NeMo, NeurIPS 2024 (arXiv 2406.02366).
    """

    kind: Literal["nemo"] = "nemo"
    scope: Scope = Field(
        "per_target", description="one set of neurons per target (the paper's), or their union for all"
    )
    theta: float = Field(5.0, gt=0, le=20, description="first out-of-distribution threshold, in σ (released default 5)")
    theta_step: float = Field(0.25, gt=0, le=5, description="how far θ falls at every turn (released default 0.25)")
    theta_min: float = Field(1.0, gt=0, le=20, description="where θ stops (released default 1)")
    seeds: int = Field(10, ge=2, le=64, description="noise samples behind the memorization score (paper: 10)")
    similarity: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="τ_mem; by default mean + 1 σ on this model's neutral prompts (paper: 0.428 on SD v1.4)",
    )
    refine: bool = Field(True, description="drop the layers and neurons that turn out not to be needed")


class WandaParams(Params):
    """Prune the feed-forward weights a memorized prompt leans on.

    Chavhan et al., arXiv 2406.18566, with the importance score of Sun et al., Wanda (arXiv 2306.11695).
    """

    kind: Literal["wanda"] = "wanda"
    scope: Scope = Field("per_target", description="one mask per target, or one for all targets together")
    sparsity: float = Field(0.01, gt=0, le=0.5, description="share of each row that may be pruned (published 0.01)")
    timesteps: int = Field(
        10, ge=1, le=1000, description="τ: masks of the first τ denoising steps are united (published 10)"
    )


class PromptParams(Params):
    """Ask with the original caption.

    Threat model: anyone who can type the caption.
    """

    kind: Literal["prompt"] = "prompt"


Start = Literal["prompt", "gaussian", "other_prompt"]


class AdversarialEmbeddingParams(Params):
    """Ask with a text embedding optimized to denoise towards the image.

    Kowalczuk et al., Finding DoRI, arXiv 2507.16880. Threat model: white-box access to the text embedding.
    """

    kind: Literal["adversarial_embedding"] = "adversarial_embedding"
    starts: list[Start] = Field(
        ["prompt"], min_length=1, max_length=3, description="kinds of starting embedding (paper: the prompt's)"
    )
    steps: int = Field(50, ge=0, le=1000, description="Adam steps (paper: 50)")
    learning_rate: float = Field(0.1, gt=0, le=1, description="η (paper: 0.1)")
    batch_size: int = Field(8, ge=1, le=64, description="noise and timestep pairs per step (paper: 8)")
    restarts: int | None = Field(None, ge=1, le=16, description="starts per kind; by default the effort's")
    early_stop: bool = Field(True, description="stop a row when full sampling confirms a hit at one of the looks")

    @field_validator("starts")
    @classmethod
    def distinct(cls, starts: list[Start]) -> list[Start]:
        """Each kind of start is named once."""
        if len(set(starts)) != len(starts):
            raise ValueError("a kind of start is named twice; use restarts for more of one kind")
        return starts


class SscdParams(Params):
    """Compare images by a copy-detection descriptor.

    Pizzi et al., SSCD, CVPR 2022 (arXiv 2202.10261).
    """

    kind: Literal["sscd"] = "sscd"


Mitigation = Annotated[NoMitigationParams | NemoParams | WandaParams, Field(discriminator="kind")]
Probe = Annotated[PromptParams | AdversarialEmbeddingParams, Field(discriminator="kind")]
Scorer = Annotated[SscdParams, Field(discriminator="kind")]

MITIGATIONS: dict[str, type[Params]] = {"none": NoMitigationParams, "nemo": NemoParams, "wanda": WandaParams}
PROBES: dict[str, type[Params]] = {"prompt": PromptParams, "adversarial_embedding": AdversarialEmbeddingParams}
SCORERS: dict[str, type[Params]] = {"sscd": SscdParams}
