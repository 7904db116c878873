"""The parameters of every method, with the published defaults and where they were published.

A parameter set is part of a request, is echoed in the report, and is the only place a method's knobs live. One file for
each kind of method; which there are is said here.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from palimpsest.contract.methods.analyses import LocalityParams, UtilityParams
from palimpsest.contract.methods.detectors import (
    AttentionEntropyParams,
    BrightEndingParams,
    DetectorParams,
    MagnitudeParams,
    SharpnessParams,
    rank,
)
from palimpsest.contract.methods.finetuning import (
    AdversarialFinetuningParams,
    ConceptAblationParams,
    EsdParams,
    ExternalParams,
    FinetuningParams,
    SissParams,
)
from palimpsest.contract.methods.input_level import AttentionRescalingParams, PromptAdjustmentParams, TokenNoiseParams
from palimpsest.contract.methods.params import Identifier, Params, Scope
from palimpsest.contract.methods.probes import (
    AdversarialEmbeddingParams,
    AdversarialTokensParams,
    ParaphraseParams,
    PromptParams,
)
from palimpsest.contract.methods.pruning import NemoParams, NoMitigationParams, WandaParams
from palimpsest.contract.methods.scorers import SscdParams

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


Analysis = Annotated[LocalityParams | UtilityParams, Field(discriminator="kind")]


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


__all__ = [
    "ANALYSES",
    "DETECTORS",
    "MITIGATIONS",
    "OF_WEIGHTS",
    "PROBES",
    "SCORERS",
    "AdversarialEmbeddingParams",
    "AdversarialFinetuningParams",
    "AdversarialTokensParams",
    "Analysis",
    "AttentionEntropyParams",
    "AttentionRescalingParams",
    "BrightEndingParams",
    "ConceptAblationParams",
    "Detector",
    "DetectorParams",
    "EsdParams",
    "ExternalParams",
    "FinetuningParams",
    "Identifier",
    "LocalityParams",
    "MagnitudeParams",
    "Mitigation",
    "NemoParams",
    "NoMitigationParams",
    "Params",
    "ParaphraseParams",
    "Probe",
    "PromptAdjustmentParams",
    "PromptParams",
    "Scope",
    "Scorer",
    "SharpnessParams",
    "SissParams",
    "SscdParams",
    "TokenNoiseParams",
    "UtilityParams",
    "WandaParams",
    "is_exportable",
    "rank",
]
