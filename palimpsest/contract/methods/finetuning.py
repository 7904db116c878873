"""Mitigations that train the weights, here or elsewhere."""

from typing import Literal

from pydantic import Field, field_validator

from palimpsest.contract.methods.params import Params, each_once


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
