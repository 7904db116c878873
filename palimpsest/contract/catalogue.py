"""What a deployment offers: published by workers, read by the gateway, which never loads a model."""

from typing import Any, Literal

from pydantic import ConfigDict

from palimpsest.contract.model import Told

MethodRole = Literal["mitigation", "probe", "scorer", "detector", "analysis"]


class Inapplicable(Told):
    """A method that a model cannot have, and why."""

    kind: str
    reason: str


class LayerRole(Told):
    """The layers of one role in the denoiser: how many, and how many neurons or weights they hold."""

    role: str
    layers: int
    size: int


class TargetSet(Told):
    """A named list of images and captions that came with a model."""

    id: str
    title: str
    size: int


class ModelCard(Told):
    """One model, inspected once by a worker.

    ``neutral_prompts`` is how many prompts of no target it came with; null from a worker that does not say.
    ``smallest_region`` is the fewest pixels, at ``resolution``, that a side of a region must have for the descriptor.
    """

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    id: str
    title: str
    family: str
    digest: str
    parameters: int
    resolution: int
    tokenizer_length: int
    layers: list[LayerRole]
    inapplicable: list[Inapplicable]
    target_sets: list[TargetSet]
    descriptor: str
    threshold: float
    neutral_prompts: int | None = None
    smallest_region: int | None = None


class MethodCard(Told):
    """One method: its parameters as JSON Schema, their defaults, and the paper it comes from."""

    kind: str
    role: MethodRole
    title: str
    citation: str
    threat_model: str | None
    parameters: dict[str, Any]
    defaults: dict[str, Any]
    page: str


class ModelList(Told):
    """``GET /v1/models``"""

    data: list[ModelCard]


class MethodList(Told):
    """``GET /v1/methods``"""

    engine: str
    data: list[MethodCard]
