"""Which function runs which kind: explicit tables, no registration at import."""

from collections.abc import Callable
from typing import Any

from worker.engine.mitigations import nemo, none, wanda
from worker.engine.model import DiffusionModel
from worker.engine.probes import adversarial_embedding, prompt

MITIGATIONS: dict[str, Callable[..., Any]] = {"none": none.apply, "nemo": nemo.apply, "wanda": wanda.apply}
PROBES: dict[str, Callable[..., Any]] = {"prompt": prompt.run, "adversarial_embedding": adversarial_embedding.run}


def inapplicable(model: DiffusionModel) -> dict[str, str]:
    """Methods this model cannot have, each with the reason, so that they are refused before queueing."""
    reasons = {}
    if not model.value_layers():
        reasons["nemo"] = "the model has no cross-attention value layers in its down and middle blocks"
    if not model.feedforward_layers():
        reasons["wanda"] = "the model has no feed-forward layers of the form ff.net.2"
    return reasons
