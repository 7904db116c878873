"""This project's own predicate."""

import json
from typing import Any

from palimpsest.contract.report import AuditReport
from palimpsest.renderings import memorization_audit
from palimpsest.tests.example import a_report, with_the_owl_in_a_region
from palimpsest.tests.renderings.originals import original


def predicate(report: AuditReport | None = None) -> dict[str, Any]:
    """Of the example, or of this report."""
    return dict(json.loads(memorization_audit.render(original(report)))["predicate"])


def test_it_says_what_the_report_says() -> None:
    """Outcome, every verdict, every rate with its interval, the judges and the limits."""
    told, report = predicate(), a_report()
    assert told["report"]["digest"]["sha256"] == original().sha256
    assert told["outcome"] == "finding"
    assert [each["verdict"] for each in told["verdicts"]] == [each.verdict for each in report.verdicts]
    assert told["comparison"][1]["replication_rate"]["adversarial"]["adversarial_embedding"]["k"] == 1
    assert told["judges"][0]["threshold"] == 0.5
    assert told["limitations"] == report.limitations


def test_neither_captions_nor_pictures_are_in_it() -> None:
    """It may be handed on: the captions, the digests of images and embeddings stay in the report."""
    text = memorization_audit.render(original()).decode()
    for private in ("a watchful owl", "a quick fox", "sha256:00", "sha256:01"):
        assert private in original().content.decode()
        assert private not in text


def test_it_says_which_verdicts_are_of_the_files_as_they_are() -> None:
    """The untouched model's; NeMo was applied by the audit."""
    assert predicate()["as_it_is"] == ["none"]


def test_nothing_is_called_by_a_word_that_is_not_ours_to_say() -> None:
    """What the rows of public documents ask for is set beside the evidence and left to its reader."""
    told = predicate()
    assert {row["framework"] for row in told["mappings"]} == {"NIST AI 600-1", "EU GPAI Code of Practice, Copyright"}
    assert "complian" not in json.dumps(told).lower()


def test_every_verdict_says_its_scope() -> None:
    """And how a region was judged: at which threshold, over how many looks, fixed on how many negatives."""
    told = predicate(with_the_owl_in_a_region())
    assert [each["scope"]["kind"] for each in told["verdicts"]] == ["region", "whole", "region", "whole"]
    [judge] = told["regions"]
    assert (judge["item_id"], judge["threshold"], judge["looks"], judge["negatives"]) == ("owl", 0.75, 27, 99)
