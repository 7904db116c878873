"""The parameters of every method, with the published defaults and where they were published.

A parameter set is part of a request, is echoed in the report, and is the only place a method's knobs live.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, field_validator

from palimpsest.contract.model import Asked

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Scope = Literal["joint", "per_target"]


S = TypeVar("S")


def each_once(starts: list[S], more: str) -> list[S]:
    """The same list; raises ValueError where a kind is named twice, and names the parameter that asks for more."""
    if len(set(starts)) != len(starts):
        raise ValueError(f"a kind of start is named twice; use {more} for more of one kind")
    return starts


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


class FinetuningParams(Params):
    """What every method has that trains the denoiser's weights; one model for all targets."""

    steps: int | None = Field(None, ge=1, le=1_000_000, description="updates in all")
    batch_size: int = Field(1, ge=1, le=256, description="rows an update")
    learning_rate: float = Field(1e-5, gt=0, le=1, description="of Adam or AdamW, constant")


TriggerStart = Literal["prompt", "gaussian", "other_prompt"]


class AdversarialFinetuningParams(Params):
    """Search for triggers on the weights as they are, and teach the weights to draw something else there.

    Kowalczuk et al., Finding DoRI (arXiv 2507.16880).
    """

    kind: Literal["adversarial_finetuning"] = "adversarial_finetuning"
    form: Literal["reference", "standing_pool"] = Field(
        "standing_pool",
        description="reference: triggers are searched anew (paper); standing_pool: they are kept, searched on (ours)",
    )
    epochs: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="visits of every target; by default 5 in the reference form (paper), or 100 in the pool's (ours)",
    )
    learning_rate: float = Field(1e-5, gt=0, le=1, description="of AdamW, constant (not published; ours)")
    weight_decay: float = Field(0.01, ge=0, le=1, description="of AdamW (not published; its usual default)")
    clip: float | None = Field(1.0, gt=0, description="most the gradient's norm may be (not published; ours)")
    ema: float | None = Field(
        None, gt=0, lt=1, description="decay of averaged weights, by default none (not published)"
    )
    starts: list[TriggerStart] = Field(
        ["prompt", "gaussian", "other_prompt"],
        min_length=1,
        max_length=3,
        description="kinds of start a target's triggers take in turn (paper: diverse ones; the mix is not published)",
    )
    triggers_per_start: int = Field(1, ge=1, le=16, description="triggers a target has of each kind of start (ours)")
    triggers_per_step: int = Field(
        8, ge=1, le=256, description="triggers searched and trained on a step (not published)"
    )
    prompts_per_step: int | None = Field(
        None,
        ge=0,
        le=256,
        description="captions as they are beside them; by default 0, or 6 in the standing pool's form",
    )
    regular_per_step: int = Field(8, ge=1, le=256, description="regular rows a step, weighted 1:1 (not published)")
    regular_images: int = Field(
        256, ge=1, le=100_000, description="regular pictures, the model's own (paper: LAION, how many is not published)"
    )
    regular_target: Literal["noise", "model"] | None = Field(
        None,
        description="what regular rows aim at: ε (paper), or the unmitigated model's prediction, its mean (ours); "
        "by default ε, or the prediction in the standing pool's form",
    )
    surrogates: int = Field(
        4,
        ge=1,
        le=64,
        description="pictures that stand in for a target (not published; paper: drawn by a pruned model)",
    )
    search_steps: int | None = Field(
        None,
        ge=0,
        le=1000,
        description="Adam steps a visit; by default 50 (paper, second-hand), or 6 in the standing pool's",
    )
    search_batch_size: int | None = Field(
        None,
        ge=1,
        le=64,
        description="noise pairs a search step; by default 8 (paper, second-hand), or 3 in the pool's",
    )
    search_learning_rate: float = Field(0.1, gt=0, le=1, description="η of the search (paper, second-hand: 0.1)")
    restarted: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of visits that begin anew; by default 1 (paper), or 0.25 in the standing pool's",
    )

    @field_validator("starts")
    @classmethod
    def distinct(cls, starts: list[TriggerStart]) -> list[TriggerStart]:
        """Each kind of start is named once."""
        return each_once(starts, "triggers_per_start")


class EsdParams(FinetuningParams):
    """Train the caption to lead away from where it led.

    Gandikota et al., Erasing Concepts from Diffusion Models, ICCV 2023 (arXiv 2303.07345).
    """

    kind: Literal["esd"] = "esd"
    form: Literal["port", "paper"] = Field(
        "port", description="which formula η belongs to: the released port's or the paper's"
    )
    eta: float | None = Field(
        None,
        ge=0,
        le=20,
        description="η, by default 2 in the port's form (released 2), 1 in the paper's (not verified)",
    )
    parameters: Literal["esd-x", "esd-x-strict", "esd-u", "esd-all"] = Field(
        "esd-x",
        description="cross-attention, its keys and values, all but cross-attention, or all (names of the release)",
    )
    steps: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="updates in all; by default 200 a target (released 200 for its one concept)",
    )
    batch_size: int = Field(1, ge=1, le=256, description="rows an update, targets at random (released 1)")
    learning_rate: float = Field(5e-5, gt=0, le=1, description="of Adam, constant (released 5e-5)")
    guidance: float = Field(3.0, ge=0, le=30, description="of the partial draws (released 3)")
    sampling_steps: int = Field(50, ge=1, le=999, description="steps they are broken off among (released 50)")


class ConceptAblationParams(FinetuningParams):
    """Train the caption to be heard as a harmless caption near it is.

    Kumari et al., Ablating Concepts in Text-to-Image Diffusion Models, ICCV 2023 (arXiv 2303.13516).
    """

    kind: Literal["concept_ablation"] = "concept_ablation"
    form: Literal["model", "noise"] = Field(
        "model", description="aim at the model's word for the anchor (released), or at ε"
    )
    parameters: Literal["full-weight", "cross-attn"] = Field(
        "full-weight", description="everything (released, for memorized images), or cross-attention's keys and values"
    )
    steps: int | None = Field(
        None, ge=1, le=1_000_000, description="updates in all; by default 400 a target (released 400 for its one)"
    )
    batch_size: int = Field(
        4, ge=1, le=256, description="rows an update, targets at random (released 2 on each of 2 GPUs)"
    )
    learning_rate: float = Field(
        2e-6, gt=0, le=1, description="of AdamW, constant (released 5e-7, scaled by GPUs and batch to 2e-6)"
    )
    weight_decay: float = Field(0.01, ge=0, le=1, description="of AdamW (its usual default; not verified)")
    prior_weight: float = Field(1.0, ge=0, le=100, description="w of the anchors' own denoising loss (released 1)")
    anchors: int = Field(16, ge=1, le=1000, description="anchor pictures a target (ours; released 1000 for its one)")


class SissParams(FinetuningParams):
    """Subtract the importance-sampled score of the images to be deleted.

    Alberti et al., Data Unlearning in Diffusion Models, ICLR 2025 (arXiv 2503.01034).
    """

    kind: Literal["siss"] = "siss"
    mix: float = Field(0.5, ge=0, le=1, description="λ, share of rows noised from the image to delete (released 0.5)")
    scaling: float = Field(
        0.1,
        ge=0,
        le=10,
        description="length of the subtracted gradient in lengths of the kept one (rule of thumb, second-hand)",
    )
    scaling_norm: float | None = Field(
        None, ge=0, description="its length outright, in place of scaling (released 750 on SD v1.4)"
    )
    timesteps: Literal["last", "uniform"] = Field(
        "last", description="t is the last of all (what the release runs) or uniform (the paper's objective)"
    )
    steps: int | None = Field(
        None, ge=1, le=1_000_000, description="updates in all; by default 35 a target (released 35 for its one)"
    )
    batch_size: int = Field(16, ge=1, le=256, description="rows an update (released 1, accumulated 16 times)")
    learning_rate: float = Field(1e-5, gt=0, le=1, description="of AdamW, constant (released 1e-5)")
    weight_decay: float = Field(0.01, ge=0, le=1, description="of AdamW (released 0.01)")
    clip: float | None = Field(1.0, gt=0, description="most the total gradient's norm may be (released 1)")
    stand_ins: int = Field(
        8, ge=1, le=1000, description="pictures to keep, a target (ours; released: the harmless ones of 128 draws)"
    )


class ExternalParams(Params):
    """Judge a model that was mitigated elsewhere, beside the one it came from."""

    kind: Literal["external"] = "external"


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


class LocalityParams(Params):
    """Where is a memory? Spread of triggers, divergence of activations, agreement of selected weights.

    Kowalczuk et al., Finding DoRI (arXiv 2507.16880).
    """

    kind: Literal["locality"] = "locality"
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


class SscdParams(Params):
    """Compare images by a copy-detection descriptor.

    Pizzi et al., SSCD, CVPR 2022 (arXiv 2202.10261).
    """

    kind: Literal["sscd"] = "sscd"


Mitigation = Annotated[
    NoMitigationParams
    | NemoParams
    | WandaParams
    | AdversarialFinetuningParams
    | EsdParams
    | ConceptAblationParams
    | SissParams
    | ExternalParams
    | PromptAdjustmentParams
    | TokenNoiseParams
    | AttentionRescalingParams,
    Field(discriminator="kind"),
]
Probe = Annotated[
    PromptParams | AdversarialEmbeddingParams | AdversarialTokensParams | ParaphraseParams, Field(discriminator="kind")
]
Detector = Annotated[
    MagnitudeParams | AttentionEntropyParams | BrightEndingParams | SharpnessParams, Field(discriminator="kind")
]
Analysis = Annotated[UtilityParams, Field(discriminator="kind")]
"""Locality is no choice yet: its searches, compared over all targets, are more than one unit of work."""
Scorer = Annotated[SscdParams, Field(discriminator="kind")]

MITIGATIONS: dict[str, type[Params]] = {
    "none": NoMitigationParams,
    "nemo": NemoParams,
    "wanda": WandaParams,
    "adversarial_finetuning": AdversarialFinetuningParams,
    "esd": EsdParams,
    "concept_ablation": ConceptAblationParams,
    "siss": SissParams,
    "external": ExternalParams,
    "prompt_adjustment": PromptAdjustmentParams,
    "token_noise": TokenNoiseParams,
    "attention_rescaling": AttentionRescalingParams,
}
OF_WEIGHTS = frozenset({"nemo", "wanda", "adversarial_finetuning", "esd", "concept_ablation", "siss"})
"""Mitigations that change weights; the others stand in front of the model or change nothing."""


def is_exportable(params: Mapping[str, Any]) -> bool:
    """Whether a mitigation, as a request has it, makes one model with other weights, which can be taken away."""
    return params["kind"] in OF_WEIGHTS and params.get("scope", "joint") == "joint"


PROBES: dict[str, type[Params]] = {
    "prompt": PromptParams,
    "adversarial_embedding": AdversarialEmbeddingParams,
    "adversarial_tokens": AdversarialTokensParams,
    "paraphrase": ParaphraseParams,
}
ANALYSES: dict[str, type[Params]] = {"locality": LocalityParams, "utility": UtilityParams}
DETECTORS: dict[str, type[Params]] = {
    "magnitude": MagnitudeParams,
    "attention_entropy": AttentionEntropyParams,
    "bright_ending": BrightEndingParams,
    "sharpness": SharpnessParams,
}
SCORERS: dict[str, type[Params]] = {"sscd": SscdParams}
