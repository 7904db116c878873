"""Mitigations in front of the model."""

from typing import Literal

from pydantic import Field

from palimpsest.contract.methods.params import Params


class PromptAdjustmentParams(Params):
    """Adjust the embedding, before drawing, until the text adds no more than an ordinary one.

    Wen et al., Detecting, Explaining, and Mitigating Memorization in Diffusion Models, ICLR 2024 (arXiv 2407.21720).
    """

    kind: Literal["prompt_adjustment"] = "prompt_adjustment"
    target: float | None = Field(
        None,
        gt=0,
        description="ℓ_target for one picture; by default mean + 1 σ of this model's neutral prompts "
        "(released: 3 for four pictures of SD v1.4 together, 1.5 for one)",
    )
    learning_rate: float = Field(0.05, gt=0, le=1, description="η of AdamW (released command line 0.05)")
    iterations: int = Field(10, ge=1, le=100, description="at most so many steps (released 10)")
    shared: bool = Field(False, description="one embedding for all pictures of a prompt, as released; else one each")


Noise = Literal["random_tokens", "random_numbers", "repeated_words", "gaussian"]


class TokenNoiseParams(Params):
    """Disturb the prompt at random before it is heard.

    Somepalli et al., Understanding and Mitigating Copying in Diffusion Models, NeurIPS 2023 (arXiv 2305.20086).
    """

    kind: Literal["token_noise"] = "token_noise"
    noise: Noise = Field("random_tokens", description="RTA, RNA, CWR or GNI of the paper")
    repeats: int = Field(4, ge=1, le=32, description="insertions at random places (released default 4)")
    strength: float = Field(0.1, ge=0, le=10, description="λ of the Gaussian noise (released 0.1)")


class AttentionRescalingParams(Params):
    """Turn cross-attention away from the tokens that summarize a prompt and towards the first.

    Ren et al., Unveiling and Mitigating Memorization in Text-to-Image Diffusion Models through Cross Attention,
    ECCV 2024 (arXiv 2403.11052).
    """

    kind: Literal["attention_rescaling"] = "attention_rescaling"
    c1: float = Field(1.25, ge=1, le=4, description="factor of the first token's logit (released 1.25; 1.1 to 1.5)")
    mask: Literal["none", "padding", "summary"] = Field(
        "padding", description="what gets no attention: the padding (released), or the end token too (released option)"
    )
