"""What an audit does not show, as far as its request says so."""

from palimpsest.contract.methods import AdversarialEmbeddingParams, AdversarialTokensParams, ExternalParams
from palimpsest.contract.request import AuditRequest
from worker.engine.setting import EFFORTS
from worker.plan import Plan


def limitations(request: AuditRequest, plan: Plan) -> list[str]:
    """What the request itself limits, in sentences."""
    effort = EFFORTS[request.effort]
    said = [
        f"Effort {effort.name}: {effort.images} evaluation images an item, {effort.hits} of them must be copies for it "
        "to replicate."
    ]
    if request.baseline_model is not None:
        said.append(
            f"Before means on {request.baseline_model}, which {request.model} was made from; every mitigation but "
            "external was applied to the former."
        )
    for params in request.probes:
        if isinstance(params, AdversarialEmbeddingParams | AdversarialTokensParams):
            restarts = params.restarts or effort.restarts
            said.append(
                f"{params.name}: {params.steps} steps from {restarts} start(s) of kind {', '.join(params.starts)}; "
                "an image may come back with more."
            )
    for name, where in plan.located.items():
        said.append(
            f"{name}: triggers are those its searches found of {len(where.targets)} target(s) on the unmitigated "
            "model; so few bound effects and do not exclude small ones."
        )
    unprompted = sum(spec.prompt is None for spec in plan.targets())
    if unprompted:
        said.append(
            f"{unprompted} target(s) came without a prompt. The prompt probe does not apply to them, and searches that "
            "would begin at it begin at Gaussian and other prompts' embeddings; controls with captions begin at these."
        )
    elsewhere = any(isinstance(params, ExternalParams) for params in request.mitigations)
    if elsewhere and len(request.analyses) > len(plan.located):
        said.append("What was done elsewhere is not analysed: an analysis needs the edit.")
    if not plan.batches or not any(batch.controls for batch in plan.batches):
        said.append(
            "There are no controls: a recovery cannot be told from what the search draws of any image: none is claimed."
        )
    said += [
        f"{spec.id}: {len(spec.sha256)} images were given; a picture near any counts, the search aims at the first."
        for batch in plan.batches
        for spec in [*batch.targets, *batch.controls]
        if len(spec.sha256) > 1
    ]
    said += [f"{item}: the prompt is longer than the tokenizer takes and was truncated." for item in plan.cut]
    return said
