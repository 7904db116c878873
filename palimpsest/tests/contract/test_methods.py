"""The published defaults, and the ranges around them."""

from typing import Any

import pytest
from pydantic import ValidationError

from palimpsest.contract.methods import (
    ANALYSES,
    MITIGATIONS,
    PROBES,
    SCORERS,
    AdversarialEmbeddingParams,
    AdversarialFinetuningParams,
    AdversarialTokensParams,
    ConceptAblationParams,
    EsdParams,
    LocalityParams,
    NemoParams,
    Params,
    ParaphraseParams,
    SissParams,
    UtilityParams,
    WandaParams,
)

METHODS = MITIGATIONS | PROBES | SCORERS | ANALYSES


def test_nemo_starts_where_its_release_does() -> None:
    """NeMo's released code: θ from 5 by 0.25 down to 1, ten seeds, per target, with refinement."""
    nemo = NemoParams()
    assert (nemo.theta, nemo.theta_step, nemo.theta_min) == (5.0, 0.25, 1.0)
    assert (nemo.seeds, nemo.scope, nemo.refine, nemo.similarity) == (10, "per_target", True, None)


def test_wanda_prunes_what_was_published() -> None:
    """Chavhan et al. prune 1 % of each row over the first 10 steps."""
    assert (WandaParams().sparsity, WandaParams().timesteps) == (0.01, 10)


def test_fine_tuning_spends_what_was_released() -> None:
    """ESD's port: cross-attention, Adam 5e-5; Concept Ablation: all weights, 2e-6 for a batch of 4; SISS: λ ½."""
    esd, ablation, siss = EsdParams(), ConceptAblationParams(), SissParams()
    assert (esd.form, esd.eta, esd.parameters, esd.learning_rate, esd.batch_size) == ("port", None, "esd-x", 5e-5, 1)
    assert (esd.guidance, esd.sampling_steps) == (3.0, 50)
    assert (ablation.form, ablation.parameters, ablation.prior_weight) == ("model", "full-weight", 1.0)
    assert (ablation.learning_rate, ablation.batch_size) == (2e-6, 4)
    assert (siss.mix, siss.learning_rate, siss.weight_decay, siss.batch_size, siss.clip) == (0.5, 1e-5, 0.01, 16, 1.0)
    assert {esd.steps, ablation.steps, siss.steps} == {None}


def test_adversarial_fine_tuning_leaves_to_its_form_what_the_forms_differ_in() -> None:
    """And names what the paper leaves open as not published."""
    asked = AdversarialFinetuningParams()
    assert (asked.form, asked.search_learning_rate) == ("standing_pool", 0.1)
    open_ = (asked.epochs, asked.search_steps, asked.search_batch_size, asked.restarted, asked.prompts_per_step)
    assert {*open_, asked.regular_target} == {None}
    for field in ("learning_rate", "weight_decay", "clip", "ema", "surrogates", "triggers_per_step"):
        assert "not published" in (AdversarialFinetuningParams.model_fields[field].description or "")


def test_the_search_spends_what_was_published() -> None:
    """DoRI: from the prompt, 50 Adam steps at η 0.1 with batches of 8."""
    search = AdversarialEmbeddingParams()
    assert (search.starts, search.steps, search.learning_rate, search.batch_size) == (["prompt"], 50, 0.1, 8)


def test_the_token_search_steps_as_was_released() -> None:
    """PEZ: AdamW at 0.1 with a weight decay of 0.1; how long is said beside what the release does."""
    search = AdversarialTokensParams()
    assert (search.learning_rate, search.weight_decay) == (0.1, 0.1)
    assert (search.tokens, search.steps, search.starts) == (8, 100, ["prompt", "random"])


def test_locality_searches_as_the_paper_does() -> None:
    """The same search as the probe's, and from other prompts beside Gaussian starts."""
    locality, search = LocalityParams(), AdversarialEmbeddingParams()
    for name in ("steps", "learning_rate", "batch_size"):
        assert getattr(locality, name) == getattr(search, name)
    assert locality.starts == ["gaussian", "other_prompt"]


def test_bounds_are_stated_beforehand() -> None:
    """The drift's is the engine's own; the others stand beside it."""
    utility = UtilityParams()
    assert (utility.drift_bound, utility.alignment_bound, utility.diversity_bound) == (0.5, 0.2, 0.2)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        *((AdversarialTokensParams, field) for field in ("tokens", "steps", "learning_rate", "weight_decay")),
        (NemoParams, "theta"),
        (WandaParams, "sparsity"),
        *(
            (EsdParams, field)
            for field in ("eta", "steps", "batch_size", "learning_rate", "guidance", "sampling_steps")
        ),
        *((ConceptAblationParams, field) for field in ("form", "steps", "learning_rate", "prior_weight", "anchors")),
        *((SissParams, field) for field in ("mix", "scaling_norm", "steps", "learning_rate", "clip", "stand_ins")),
    ],
)
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
        (AdversarialTokensParams, {"starts": ["gaussian"]}),
        (AdversarialTokensParams, {"starts": ["random", "random"]}),
        (ParaphraseParams, {"rounds": 0}),
        (LocalityParams, {"triggers": 1}),
        (UtilityParams, {"seeds": 1}),
        (AdversarialFinetuningParams, {"form": "quick"}),
        (AdversarialFinetuningParams, {"starts": ["gaussian", "gaussian"]}),
        (AdversarialFinetuningParams, {"ema": 1.0}),
        (EsdParams, {"parameters": "esd-y"}),
        (ConceptAblationParams, {"learning_rate": 0}),
        (SissParams, {"mix": 1.1}),
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
