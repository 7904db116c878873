"""Ways to ask a model for an image."""

from typing import Literal

from pydantic import Field, field_validator

from palimpsest.contract.methods.params import Params, each_once


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
    steps: int = Field(50, ge=0, le=1000, description="steps of the optimizer (paper: 50)")
    optimizer: Literal["adam", "sign"] = Field(
        "adam", description="Adam (paper), or η·sign(∇) as projected gradient descent walks (arXiv 1706.06083, Eq. 3)"
    )
    learning_rate: float = Field(0.1, gt=0, le=1, description="η (paper: 0.1)")
    batch_size: int = Field(8, ge=1, le=64, description="noise and timestep pairs per step (paper: 8)")
    restarts: int | None = Field(None, ge=1, le=16, description="starts per kind; by default the effort's")
    early_stop: bool = Field(True, description="stop a row when full sampling confirms a hit at one of the looks")

    @field_validator("starts")
    @classmethod
    def distinct(cls, starts: list[Start]) -> list[Start]:
        """Each kind of start is named once."""
        return each_once(starts, "restarts")


TokenStart = Literal["prompt", "random"]


class AdversarialTokensParams(Params):
    """Ask with a text found token by token.

    Wen et al., Hard Prompts Made Easy (PEZ), NeurIPS 2023 (arXiv 2302.03668), on the objective of Zhang et al.,
    UnlearnDiffAtk, ECCV 2024 (arXiv 2310.11868). Threat model: whoever finds the text needs the weights and their
    gradients once; the text itself then works through a text box, for anyone.
    """

    kind: Literal["adversarial_tokens"] = "adversarial_tokens"
    starts: list[TokenStart] = Field(
        ["prompt", "random"], min_length=1, max_length=2, description="the caption's own tokens, or random ones (PEZ)"
    )
    tokens: int = Field(8, ge=1, le=75, description="free tokens of a random start (released default 16)")
    steps: int = Field(100, ge=0, le=3000, description="AdamW steps (released default 3000)")
    learning_rate: float = Field(0.1, gt=0, le=1, description="γ (released default 0.1)")
    weight_decay: float = Field(0.1, ge=0, le=1, description="of the soft embeddings (released default 0.1)")
    batch_size: int = Field(8, ge=1, le=64, description="noise and timestep pairs per step (as the embedding search)")
    restarts: int | None = Field(None, ge=1, le=16, description="searches per kind of start; by default the effort's")
    early_stop: bool = Field(True, description="stop when full sampling confirms a hit at one of the looks")

    @field_validator("starts")
    @classmethod
    def distinct(cls, starts: list[TokenStart]) -> list[TokenStart]:
        """Each kind of start is named once."""
        return each_once(starts, "restarts")


class ParaphraseParams(Params):
    """Ask with the caption reworded.

    Threat model: a text box and the pictures it returns; neither weights nor gradients. The image is known.
    """

    kind: Literal["paraphrase"] = "paraphrase"
    rounds: int = Field(4, ge=1, le=32, description="how often the best wording so far is reworded again")
    queries: int = Field(8, ge=1, le=64, description="new wordings a round; each costs the effort's look images")
    neighbours: int = Field(5, ge=1, le=50, description="a word gives way to one of so many nearest words")
    early_stop: bool = Field(True, description="stop when full sampling confirms a hit at the end of a round")
