"""Mitigations that switch weights off, and the one that does nothing."""

from typing import Literal

from pydantic import Field

from palimpsest.contract.methods.params import Params, Scope


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
