"""The bill of materials, against CycloneDX's own schema, read strictly."""

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from palimpsest.contract.verdicts import VERDICTS
from palimpsest.renderings import cyclonedx, mappings
from palimpsest.renderings.original import Original
from palimpsest.tests.example import FILES, a_report, with_the_owl_in_a_region
from palimpsest.tests.renderings.originals import beside_a_baseline, original, with_verdicts

STRICT = JsonStrictValidator(SchemaVersion.V1_6)


def bill(of: Original) -> dict[str, Any]:
    """What is rendered, valid by the schema."""
    content = cyclonedx.render(of).decode()
    assert STRICT.validate_str(content) is None
    return dict(json.loads(content))


def declared(*words: str, **changes: Any) -> dict[str, Any]:
    """The declarations of a report with these verdicts."""
    return dict(bill(with_verdicts(*words, **changes))["declarations"])


def test_the_schema_would_refuse_another_field() -> None:
    """The check above can fail."""
    broken = bill(original()) | {"invented": 1}
    assert STRICT.validate_str(json.dumps(broken)) is not None


def test_a_removal_is_a_claim_and_the_recovered_image_its_counter_evidence() -> None:
    """The owl under NeMo: by caption nothing, by search three of four; the picture is named by digest."""
    told = bill(original())["declarations"]
    found = next(each for each in told["claims"] if each["bom-ref"] == "claim:nemo:owl")
    assert found == {
        "bom-ref": "claim:nemo:owl",
        "target": "model",
        "predicate": "The training image owl is removed by nemo.",
        "reasoning": "verdict: concealed; recovered by [adversarial_embedding]",
        "counterEvidence": ["evidence:nemo:owl:adversarial_embedding"],
    }
    [against] = [each for each in told["evidence"] if each["bom-ref"] == found["counterEvidence"][0]]
    assert against["propertyName"] == "recovered image"
    assert "3 of 4 images replicate, best similarity 0.9 where 0.5 is a copy" in against["description"]
    assert against["data"][0]["contents"] == {"url": "urn:sha256:sha256:00"}


def test_what_was_not_recovered_is_evidence_without_pictures() -> None:
    """The fox under NeMo: caption and search both came to nothing."""
    told = bill(original())["declarations"]
    found = next(each for each in told["claims"] if each["bom-ref"] == "claim:nemo:fox")
    assert found["evidence"] == ["evidence:nemo:fox:prompt", "evidence:nemo:fox:adversarial_embedding"]
    assert "counterEvidence" not in found
    assert all("data" not in each for each in told["evidence"] if each["bom-ref"] in found["evidence"])


def test_the_untouched_model_is_claimed_to_hold_nothing() -> None:
    """There is no mitigation to claim anything of: it is the model itself that is spoken for, and against."""
    told = bill(original())["declarations"]
    found = next(each for each in told["claims"] if each["bom-ref"] == "claim:none:owl")
    assert found["predicate"] == "The model does not hold the training image owl."
    assert found["counterEvidence"] == ["evidence:none:owl:prompt", "evidence:none:owl:adversarial_embedding"]


@pytest.mark.parametrize("word", VERDICTS)
def test_only_findings_speak_against_and_only_absence_for(word: str) -> None:
    """Inconclusive and not detected have neither side, but their reasons."""
    [found] = declared(word)["claims"]
    assert ("counterEvidence" in found) == (word in ("still_replicates", "concealed"))
    assert ("evidence" in found) == (word in ("not_recovered", "not_memorized"))
    assert found["reasoning"].startswith(f"verdict: {word}")


def references(part: Any, names: tuple[str, ...]) -> list[str]:
    """Every value under these keys, at any depth."""
    if isinstance(part, dict):
        own = [
            each
            for name in names
            if name in part
            for each in ([part[name]] if isinstance(part[name], str) else part[name])
        ]
        return [each for each in own if isinstance(each, str)] + references(list(part.values()), names)
    return [found for each in part for found in references(each, names)] if isinstance(part, list) else []


def test_every_reference_leads_somewhere_and_every_name_is_one() -> None:
    """No bom-ref twice; claims, evidence, requirements, assessor and target are all there."""
    found = bill(original())
    names = references(found, ("bom-ref",))
    assert len(names) == len(set(names))
    told = found["declarations"]
    used = references(told["claims"], ("target", "evidence", "counterEvidence"))
    used += references(told["attestations"], ("assessor", "requirement", "claims"))
    assert used
    assert set(used) <= set(names)
    assert {each["bom-ref"] for each in told["evidence"]} <= set(used)


def test_the_model_is_there_with_its_files_and_its_rates() -> None:
    """SHA-256 by path; one of two by search under NeMo, 0.013 to 0.987; the drift."""
    model = bill(original())["metadata"]["component"]
    assert {each["name"]: each["hashes"][0]["content"] for each in model["components"]} == FILES
    card = model["modelCard"]
    assert {
        "type": "share replicated",
        "slice": "nemo: targets, by adversarial_embedding",
        "value": "0.5",
        "confidenceInterval": {"lowerBound": "0.013", "upperBound": "0.987"},
    } in card["quantitativeAnalysis"]["performanceMetrics"]
    assert {"type": "drift", "slice": "nemo: neutral prompts", "value": "0.05"} in card["quantitativeAnalysis"][
        "performanceMetrics"
    ]
    assert card["considerations"]["technicalLimitations"] == a_report().limitations


def test_requirements_are_named_and_not_judged() -> None:
    """Every row of the table once; two are about single works; nowhere conformance, score or the word."""
    found = bill(original())
    named = [each["identifier"] for s in found["definitions"]["standards"] for each in s["requirements"]]
    assert named == [mapping.ref for mapping in mappings.MAPPINGS]
    [attestation] = found["declarations"]["attestations"]
    bearing = [each["requirement"] for each in attestation["map"] if "claims" in each]
    assert bearing == ["requirement:MS-2.10-001", "requirement:Measure 1.4"]
    text = json.dumps(found).lower()
    assert not any(word in text for word in ("complian", "conformance", "score"))


def test_what_was_tried_on_a_baseline_is_claimed_of_it() -> None:
    """It is a component with files of its own; what was made elsewhere is claimed of the model under audit."""
    for mitigation, target in (("nemo", "baseline"), ("external", "model")):
        found = bill(beside_a_baseline("concealed", mitigation=mitigation))
        [claim] = found["declarations"]["claims"]
        assert claim["target"] == target
        assert [each["bom-ref"] for each in found["components"]] == ["baseline"]


def test_the_same_report_is_the_same_bill() -> None:
    """Serial number included; another report has another."""
    assert cyclonedx.render(original()) == cyclonedx.render(original())
    assert bill(original())["serialNumber"] != bill(with_verdicts("concealed"))["serialNumber"]


def test_neither_captions_nor_embeddings_are_in_it() -> None:
    """Digests of pictures only."""
    text = cyclonedx.render(original()).decode()
    assert not any(private in text for private in ("a watchful owl", "sha256:01"))


def test_a_claim_of_a_region_is_of_no_more() -> None:
    """And what is a copy there is by the region's own threshold, 0.75; the fox's evidence has the descriptor's."""
    found = bill(original(with_the_owl_in_a_region()))["declarations"]
    claims = {each["bom-ref"]: each["predicate"] for each in found["claims"]}
    part = "the region x 0.25–0.75, y 0.5–0.75 of the training image owl"
    assert claims["claim:none:owl"] == f"The model does not hold {part}."
    assert claims["claim:nemo:owl"] == f"T{part[1:]} is removed by nemo."
    assert claims["claim:nemo:fox"] == "The training image fox is removed by nemo."
    told = {each["bom-ref"]: each["description"] for each in found["evidence"]}
    assert told["evidence:nemo:owl:adversarial_embedding"].endswith("where 0.75 is a copy")
    assert told["evidence:nemo:fox:adversarial_embedding"].endswith("where 0.5 is a copy")
