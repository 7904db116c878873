"""What is answered, frozen in a golden file."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from palimpsest.contract import schema
from palimpsest.contract.report import AuditReport, Rate
from palimpsest.tests.example import a_report, with_the_owl_in_a_region

GOLDEN = Path(__file__).parents[1] / "golden" / "report.json"


def test_the_wire_is_what_the_golden_file_says() -> None:
    """A complete report written today is byte for byte the one that was promised."""
    assert a_report().model_dump_json(indent=2) + "\n" == GOLDEN.read_text(encoding="utf-8")


def test_the_golden_file_reads_back() -> None:
    """Reading loses nothing."""
    assert AuditReport.model_validate_json(GOLDEN.read_bytes()) == a_report()


def test_the_golden_file_is_valid_by_the_published_schema() -> None:
    """A reader without Python accepts it too."""
    Draft202012Validator(json.loads(schema.PLACE.read_bytes())).validate(json.loads(GOLDEN.read_bytes()))


def test_a_newer_field_does_not_disturb_an_older_reader() -> None:
    """Answers ignore what they do not know, at every depth."""
    newer = json.loads(GOLDEN.read_bytes())
    newer["tomorrow"] = newer["summary"]["tomorrow"] = newer["verdicts"][0]["tomorrow"] = 1
    assert AuditReport.model_validate(newer) == a_report()


def test_a_report_from_before_there_were_detectors_is_read() -> None:
    """It has no detections and no analyses, and is otherwise what it was."""
    older = json.loads(GOLDEN.read_bytes())
    del older["detections"], older["analyses"]
    assert AuditReport.model_validate(older) == a_report().model_copy(update={"detections": [], "analyses": {}})


def test_a_report_from_before_images_could_be_missing_is_read() -> None:
    """Every target of it had one."""
    older = json.loads(GOLDEN.read_bytes())
    del older["references"]
    assert AuditReport.model_validate(older) == a_report()


def test_no_field_of_a_report_is_optional() -> None:
    """Answers have no defaults, so that a generated client sees every field as guaranteed."""
    described = json.loads(schema.text())
    objects = [part for part in [described, *described["$defs"].values()] if "properties" in part]
    assert all(set(part["properties"]) == set(part["required"]) for part in objects)


def test_a_number_that_is_none_cannot_be_reported() -> None:
    """JSON has no NaN; a report that holds one is refused where it is made."""
    with pytest.raises(ValidationError, match="finite"):
        Rate(value=float("nan"), low=0, high=1, k=0, n=0)


def test_a_report_from_before_files_were_named_is_read() -> None:
    """It names none."""
    earlier = json.loads(GOLDEN.read_bytes())
    del earlier["models"][0]["files"]
    assert AuditReport.model_validate(earlier).models[0].files == {}


def test_a_report_from_before_there_were_regions_is_read() -> None:
    """Every image of it was judged as a whole."""
    older = json.loads(GOLDEN.read_bytes())
    del older["regions"]
    for verdict in older["verdicts"]:
        del verdict["scope"]
    assert AuditReport.model_validate(older) == a_report()


def test_a_verdict_on_a_region_is_named_as_such() -> None:
    """Shares of the image, by their ends; a whole one is the target's id alone."""
    owl, fox = with_the_owl_in_a_region().verdicts[:2]
    assert (owl.about, fox.about) == ("owl (region x 0.25–0.75, y 0.5–0.75)", "fox")
