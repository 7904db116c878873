"""Which function runs which kind: explicit tables, no registration at import."""

import json
from collections.abc import Callable
from typing import Any

from worker.engine import edits, export
from worker.engine.conditioning import OPENING, Conditioning, Values
from worker.engine.detectors import attention_entropy, bright_ending, magnitude, sharpness
from worker.engine.locality import analysis as locality
from worker.engine.mitigations import (
    adversarial_finetuning,
    attention_rescaling,
    concept_ablation,
    esd,
    external,
    nemo,
    none,
    prompt_adjustment,
    siss,
    token_noise,
    wanda,
)
from worker.engine.model import DiffusionModel
from worker.engine.probes import adversarial_embedding, adversarial_tokens, paraphrase, prompt
from worker.engine.utility import measure as utility

MITIGATIONS: dict[str, Callable[..., Any]] = {
    "none": none.apply,
    "nemo": nemo.apply,
    "wanda": wanda.apply,
    "adversarial_finetuning": adversarial_finetuning.apply,
    "esd": esd.apply,
    "concept_ablation": concept_ablation.apply,
    "siss": siss.apply,
    "external": external.apply,
    "prompt_adjustment": prompt_adjustment.apply,
    "token_noise": token_noise.apply,
    "attention_rescaling": attention_rescaling.apply,
}
CONDITIONINGS: dict[str, Callable[[Values], Conditioning]] = {
    "prompt_adjustment": prompt_adjustment.conditioning,
    "token_noise": token_noise.conditioning,
    "attention_rescaling": attention_rescaling.conditioning,
}
PROBES: dict[str, Callable[..., Any]] = {
    "prompt": prompt.run,
    "adversarial_embedding": adversarial_embedding.run,
    "adversarial_tokens": adversarial_tokens.run,
    "paraphrase": paraphrase.run,
}
ANALYSES: dict[str, Callable[..., Any]] = {"locality": locality.analyse, "utility": utility.measure}
"""Locality is asked of (setting, targets, params), on the unmitigated model; utility of (setting, edit, params)."""

DETECTORS: dict[str, Callable[..., Any]] = {
    "magnitude": magnitude.score,
    "attention_entropy": attention_entropy.score,
    "bright_ending": bright_ending.score,
    "sharpness": sharpness.score,
}


def loads(content: bytes) -> edits.Edit | Conditioning:
    """The edit or the conditioning that ``dumps`` wrote, or the edit of an exported delta."""
    if export.is_delta(content):
        return export.read(content)[0]
    if not content.startswith(OPENING):
        return edits.loads(content)
    said = json.loads(content)
    return CONDITIONINGS[said["kind"]](said["values"])


def inapplicable(model: DiffusionModel) -> dict[str, str]:
    """Methods this model cannot have, each with the reason, so that they are refused before queueing."""
    reasons = {}
    if not model.value_layers():
        reasons["nemo"] = "the model has no cross-attention value layers in its down and middle blocks"
    if not model.feedforward_layers():
        reasons["wanda"] = "the model has no feed-forward layers of the form ff.net.2"
    if reasons:
        reasons["locality"] = "it compares what nemo and wanda select, and the model cannot have both"
    if not model.cross_attention():
        for kind in ("attention_entropy", "attention_rescaling", "esd", "concept_ablation"):
            reasons[kind] = "the model has no cross-attention layers of the form attn2"
    if not bright_ending.layers(model):
        reasons["bright_ending"] = "the model has no cross-attention in its first down block"
    return reasons
