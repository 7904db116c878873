"""The published defaults, and the ranges around them."""

from typing import Any

import pytest
from pydantic import ValidationError

from palimpsest.contract.methods import (
    MITIGATIONS,
    PROBES,
    SCORERS,
    AdversarialEmbeddingParams,
    NemoParams,
    Params,
    WandaParams,
)

METHODS = MITIGATIONS | PROBES | SCORERS


def test_nemo_starts_where_its_release_does() -> None:
    """NeMo's released code: θ from 5 by 0.25 down to 1, ten seeds, per target, with refinement."""
    nemo = NemoParams()
    assert (nemo.theta, nemo.theta_step, nemo.theta_min) == (5.0, 0.25, 1.0)
    assert (nemo.seeds, nemo.scope, nemo.refine, nemo.similarity) == (10, "per_target", True, None)


def test_wanda_prunes_what_was_published() -> None:
    """Chavhan et al. prune 1 % of each row over the first 10 steps."""
    assert (WandaParams().sparsity, WandaParams().timesteps) == (0.01, 10)


def test_the_search_spends_what_was_published() -> None:
    """DoRI: from the prompt, 50 Adam steps at η 0.1 with batches of 8."""
    search = AdversarialEmbeddingParams()
    assert (search.starts, search.steps, search.learning_rate, search.batch_size) == (["prompt"], 50, 0.1, 8)


@pytest.mark.parametrize(("params", "field"), [(NemoParams, "theta"), (WandaParams, "sparsity")])
def test_a_default_says_where_it_was_published(params: type[Params], field: str) -> None:
    """The description of a default from the literature names its source."""
    described = params.model_fields[field].description or ""
    assert "released" in described or "published" in described


@pytest.mark.parametrize(
    ("params", "value"),
    [
        (NemoParams, {"theta": 0}),
        (NemoParams, {"scope": "both"}),
        (WandaParams, {"sparsity": 0.51}),
        (AdversarialEmbeddingParams, {"steps": -1}),
        (AdversarialEmbeddingParams, {"starts": []}),
        (AdversarialEmbeddingParams, {"starts": ["gaussian", "gaussian"]}),
    ],
)
def test_a_value_out_of_range_is_refused(params: type[Params], value: dict[str, Any]) -> None:
    """Every knob has a range."""
    with pytest.raises(ValidationError):
        params.model_validate(value)


@pytest.mark.parametrize("kind", sorted(METHODS))
def test_every_method_is_named_by_its_kind_until_it_has_an_id(kind: str) -> None:
    """The table's key, the kind and the default name are one word; an id takes its place."""
    params = METHODS[kind]
    assert params().name == kind
    assert params(id="mine").name == "mine"


@pytest.mark.parametrize("kind", sorted(METHODS))
def test_every_method_describes_itself(kind: str) -> None:
    """Each has a docstring, a schema that forbids other fields, and defaults that are valid."""
    params = METHODS[kind]
    schema = params.model_json_schema()
    assert schema["description"]
    assert schema["additionalProperties"] is False
    assert params.model_validate(params().model_dump()) == params()
