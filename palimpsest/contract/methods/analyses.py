"""What is asked of a model beside its targets."""

from typing import Literal

from pydantic import Field

from palimpsest.contract.methods.params import Params
from palimpsest.contract.methods.probes import Start
from palimpsest.contract.methods.pruning import NemoParams, WandaParams


class LocalityParams(Params):
    """Where is a memory? Spread of triggers, divergence of activations, agreement of selected weights.

    Kowalczuk et al., Finding DoRI (arXiv 2507.16880).
    """

    kind: Literal["locality"] = "locality"
    images: int = Field(6, ge=2, le=100, description="targets whose triggers are sought: the first that have an image")
    triggers: int = Field(8, ge=2, le=100, description="searches per image and kind of start (paper: 100 of one image)")
    starts: list[Start] = Field(
        ["gaussian", "other_prompt"], min_length=1, max_length=3, description="kinds of start (paper: Gaussian)"
    )
    steps: int = Field(50, ge=0, le=1000, description="Adam steps of a search (paper: 50)")
    learning_rate: float = Field(0.1, gt=0, le=1, description="η (paper: 0.1)")
    batch_size: int = Field(8, ge=1, le=64, description="noise and timestep pairs per step (paper: 8)")
    prompts: int = Field(64, ge=2, le=1000, description="neutral prompts whose spread is shown beside")
    permutations: int = Field(999, ge=99, le=99_999, description="of the image labels, for every p")
    nemo: NemoParams = Field(default_factory=NemoParams, description="how NeMo selects neurons")
    wanda: WandaParams = Field(default_factory=WandaParams, description="how Wanda selects weights")


class UtilityParams(Params):
    """What did the mitigation cost? Drift, prompt alignment, diversity and distances of distributions.

    Alignment by Li et al., Your Diffusion Model is Secretly a Zero-Shot Classifier, ICCV 2023 (arXiv 2303.16203);
    kernel distance by Bińkowski et al., Demystifying MMD GANs (arXiv 1801.01401).
    """

    kind: Literal["utility"] = "utility"
    prompts: int | None = Field(None, ge=2, le=30_000, description="neutral prompts; by default the effort's")
    seeds: int = Field(4, ge=2, le=64, description="pictures per prompt")
    candidates: int = Field(8, ge=2, le=100, description="prompts a picture is assigned among; chance is one over it")
    pairs: int = Field(8, ge=1, le=256, description="noise and timestep pairs behind every assignment")
    inception: bool = Field(False, description="also FID in Inception's space; needs its weights on the worker")
    drift_bound: float = Field(0.5, gt=0, le=2, description="past it the model is degraded (ours: decision 0002)")
    alignment_bound: float = Field(0.2, gt=0, le=1, description="how far the share assigned may fall (ours)")
    diversity_bound: float = Field(0.2, gt=0, le=2, description="how far similarity between seeds may rise (ours)")
