"""The three indications together, on the unmitigated model, for the targets that have a caption.

Kowalczuk et al., Finding DoRI (arXiv 2507.16880).
"""

from pydantic import BaseModel

from palimpsest.contract.methods import LocalityParams
from worker.engine.errors import MethodFailed
from worker.engine.items import Item
from worker.engine.locality import activation_divergence, between_methods, embedding_spread, weight_agreement
from worker.engine.locality.activation_divergence import LayerDivergence
from worker.engine.locality.between_methods import BetweenMethods
from worker.engine.locality.embedding_spread import EmbeddingSpread
from worker.engine.locality.triggers import Triggers, find
from worker.engine.locality.weight_agreement import LayerAgreement
from worker.engine.mitigations import nemo
from worker.engine.setting import Setting


class Searched(BaseModel):
    """How many searches of one kind of start there were, how many found a trigger, and for how many images."""

    start: str
    tried: int
    found: int
    images: int


class Locality(BaseModel):
    """What the analysis says; lists run over kinds of start, methods and layers."""

    searched: list[Searched]
    spread: list[EmbeddingSpread]
    divergence: list[LayerDivergence]
    agreement: list[LayerAgreement]
    between: list[BetweenMethods]


def analyse(setting: Setting, targets: list[Item], params: LocalityParams) -> Locality:
    """Search, then compare. Raises MethodFailed where nothing can be compared."""
    captions = [target.prompt for target in targets if target.prompt is not None]
    if len(targets) < 2:
        raise MethodFailed("locality compares triggers of different images: it needs two targets or more")
    return compare(setting, [find(setting, targets, start, params) for start in params.starts], captions, params)


def compare(setting: Setting, found: list[Triggers], captions: list[str], params: LocalityParams) -> Locality:
    """The three indications for every kind of start; raises MethodFailed where nothing can be compared."""
    for triggers in found:
        if not triggers.comparable:
            raise MethodFailed(
                f"searches from {triggers.start} starts found {triggers.found} triggers in {triggers.tried} tries: "
                "locality needs two of one image and one of another"
            )
    neutral = setting.neutral[: params.prompts]
    hold_out = nemo.measure_hold_out(setting, params.nemo)
    y_neutral = setting.model.encode_prompts(neutral)
    return Locality(
        searched=[searched(triggers) for triggers in found],
        spread=[embedding_spread.analyse(triggers, y_neutral, params, setting.seed) for triggers in found],
        divergence=[row for t in found for row in activation_divergence.analyse(setting, t, captions, neutral, params)],
        agreement=[row for t in found for row in weight_agreement.analyse(setting, t, hold_out, params)],
        between=between_methods.analyse(setting, captions, hold_out, params) if captions else [],
    )


def searched(triggers: Triggers) -> Searched:
    """The counts behind everything else."""
    return Searched(start=triggers.start, tried=triggers.tried, found=triggers.found, images=len(set(triggers.images)))
