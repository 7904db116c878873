"""What this worker offers, written down for the gateway, which never loads a model."""

import inspect
from typing import Any

from palimpsest.contract import methods
from palimpsest.contract.catalogue import Inapplicable, LayerRole, MethodCard, MethodRole, ModelCard, TargetSet
from palimpsest.contract.methods import Params
from worker.engine.catalogue import inapplicable
from worker.engine.partial_copies import smallest
from worker.registrations import Registration
from worker.workshop import Workshop

_ROLES: dict[MethodRole, dict[str, type[Params]]] = {
    "mitigation": methods.MITIGATIONS,
    "probe": methods.PROBES,
    "scorer": methods.SCORERS,
    "detector": methods.DETECTORS,
    "analysis": methods.ANALYSES,
}


def model_card(workshop: Workshop, registration: Registration) -> ModelCard:
    """One model, inspected: its digest, its layers by role, what it cannot have."""
    model = workshop.model(registration.id)
    values, weights = model.value_layers(), model.feedforward_layers()
    return ModelCard(
        id=registration.id,
        title=registration.title,
        family=model.family,
        digest=model.digest,
        parameters=sum(p.numel() for p in model.unet.parameters()),
        resolution=model.resolution,
        tokenizer_length=model.tokenizer_length,
        layers=[
            LayerRole(role="value_neurons", layers=len(values), size=sum(v.out_features for v in values.values())),
            LayerRole(
                role="feedforward_weights", layers=len(weights), size=sum(w.weight.numel() for w in weights.values())
            ),
        ],
        inapplicable=[Inapplicable(kind=kind, reason=why) for kind, why in inapplicable(model).items()],
        target_sets=[
            TargetSet(id=set_id, title=title, size=len(registration.rows(set_id)))
            for set_id, title in registration.sets.items()
        ],
        descriptor=workshop.descriptor.digest,
        threshold=workshop.descriptor.threshold,
        neutral_prompts=len(registration.neutral),
        smallest_region=smallest(workshop.descriptor),
    )


def method_cards() -> list[MethodCard]:
    """Every method of the contract, with its JSON Schema, defaults and citation."""
    return [_method_card(role, kind, params) for role, table in _ROLES.items() for kind, params in table.items()]


def _method_card(role: MethodRole, kind: str, params: type[Params]) -> MethodCard:
    lines = [line for line in inspect.cleandoc(params.__doc__ or "").splitlines() if line]
    told = " ".join(lines[1:])
    citation, _, threat = told.partition("Threat model: ")
    defaults: dict[str, Any] = params().model_dump(mode="json")
    return MethodCard(
        kind=kind,
        role=role,
        title=lines[0].rstrip("."),
        citation=citation.strip(),
        threat_model=threat.strip() or None,
        parameters=params.model_json_schema(),
        defaults=defaults,
        page=f"docs/{kind}.md" if role == "analysis" else f"docs/methods/{kind}.md",
    )
