"""Scores of a prompt, without an image."""

import math
from typing import Literal

from pydantic import Field

from palimpsest.contract.methods.params import Params


def rank(alpha: float, n: int) -> int:
    """⌊α(n+1)⌋: the how manieth largest of n neutral scores is the threshold for a false-positive rate of α.

    0 where n is too small for α.
    """
    return math.floor(alpha * (n + 1) + 1e-9)


class DetectorParams(Params):
    """What every detector has: how many noises a prompt is heard with, and how its threshold is calibrated."""

    images: int = Field(4, ge=1, le=64, description="noises a prompt; the score is the mean over them")
    false_positive_rate: float = Field(
        0.01, gt=0, lt=0.5, description="the threshold lets pass so many neutral prompts"
    )
    neutral_prompts: int = Field(200, ge=1, le=100_000, description="prompts of no target the threshold rests on")


class MagnitudeParams(DetectorParams):
    """How much does the text add to the prediction? More than usual where it is memorized.

    Wen et al., Detecting, Explaining, and Mitigating Memorization in Diffusion Models, ICLR 2024 (arXiv 2407.21720).
    Threat model: white-box access to the denoiser's predictions.
    """

    kind: Literal["magnitude"] = "magnitude"
    steps: int | None = Field(None, ge=1, le=1000, description="first sampling steps heard; by default all (released)")


class AttentionEntropyParams(DetectorParams):
    """How spread is cross-attention over the tokens? More than usual where the text is memorized.

    Ren et al., Unveiling and Mitigating Memorization in Text-to-Image Diffusion Models through Cross Attention,
    ECCV 2024 (arXiv 2403.11052). Threat model: white-box access to the denoiser's attention.
    """

    kind: Literal["attention_entropy"] = "attention_entropy"
    images: int = Field(1, ge=1, le=64, description="noises a prompt; the score is the mean over them (released 1)")
    metric: Literal["D", "E"] = Field("D", description="D: whole trajectory, all layers; E: first step, one layer")
    last_steps: int = Field(10, ge=1, le=1000, description="of metric D: the steps at the end (released 10 of 50)")
    layer: int = Field(3, ge=0, le=200, description="of metric E: the layer, from 0 in running order (released 3)")


class BrightEndingParams(DetectorParams):
    """How much does the text add where its end token is attended to? More than usual where that part is memorized.

    Chen et al., Exploring Local Memorization in Diffusion Models via Bright Ending Attention, ICLR 2025
    (arXiv 2410.21665). Threat model: white-box access to the denoiser's predictions and attention.
    """

    kind: Literal["bright_ending"] = "bright_ending"


class SharpnessParams(DetectorParams):
    """How sharply is the text's landscape bent along its own score? More than usual where the text is memorized.

    Jeon et al., Understanding and Mitigating Memorization in Generative Models via Sharpness of Probability
    Landscapes, ICML 2025 (arXiv 2412.04140). Threat model: white-box access to the denoiser and its derivatives.
    """

    kind: Literal["sharpness"] = "sharpness"
