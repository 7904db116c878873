"""A report in sentences."""

from typing import Any

import pytest

from palimpsest import sentence
from palimpsest.contract.report import AuditReport, PolicyResult
from palimpsest.tests.example import NONE_OF_TWO, a_report, row, with_the_owl_in_a_region


def summarized(report: AuditReport, **changes: Any) -> AuditReport:
    """The report with its summary changed."""
    return report.model_copy(update={"summary": report.summary.model_copy(update=changes)})


def test_a_finding_says_what_each_mitigation_left() -> None:
    """The unmitigated model first, for what follows is measured against it."""
    expected = "Finding: unmitigated, 2 of 2 targets replicate; nemo only conceals 1 of 2 targets."
    assert sentence.outcome(a_report()) == expected


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"still_replicates": 1, "concealed": 6}, "nemo leaves 1 of 8 targets replicating and only conceals 6"),
        ({"still_replicates": 1}, "nemo leaves 1 of 8 targets replicating"),
        ({"concealed": 6, "not_recovered": 2}, "nemo only conceals 6 of 8 targets"),
        ({"not_recovered": 8}, ""),
    ],
)
def test_a_mitigation_is_told_by_its_counts(counts: dict[str, int], words: str) -> None:
    """What still replicates, what is only concealed, or nothing."""
    assert sentence.finding(row("nemo", counts, prompt=NONE_OF_TWO, search=NONE_OF_TWO), 8) == words


def test_no_finding_claims_no_erasure() -> None:
    """The budget is part of the sentence."""
    told = sentence.outcome(summarized(a_report(), outcome="no_finding"))
    assert told == "No finding: within the stated budget no target came back; that does not prove that any is erased."


def test_missing_evidence_is_counted() -> None:
    """How many verdicts are inconclusive, and why, the commonest reason first."""
    report = a_report()
    undecided = [
        verdict.model_copy(update={"verdict": "inconclusive", "reasons": reasons})
        for verdict, reasons in zip(report.verdicts, [["rare"], ["common"], ["common"]], strict=False)
    ]
    report = report.model_copy(update={"verdicts": [*undecided, report.verdicts[3]]})
    told = sentence.outcome(summarized(report, outcome="insufficient_evidence"))
    assert told == "Insufficient evidence: 3 of 4 verdicts are inconclusive."
    assert sentence.undecided(report) == ["Inconclusive (2): common", "Inconclusive (1): rare"]
    assert sentence.outcome(summarized(report, outcome="error")).startswith("Error: the audit could not be carried out")


def test_a_policy_has_the_last_word() -> None:
    """Pass or fail belong to the policy, with what fails it."""
    report = summarized(a_report(), policy=PolicyResult(result="fail", failing=["owl × nemo"]))
    assert sentence.outcome(report).endswith(" Policy: fail (owl × nemo).")


def test_a_partial_report_says_so() -> None:
    """A cancelled audit is not a complete one."""
    assert sentence.outcome(a_report("cancelled")).startswith("Partial report of a cancelled audit. Finding:")


def test_the_cost_is_in_forwards_and_in_seconds() -> None:
    """Both units, and the dearest stage first."""
    assert sentence.cost(a_report()) == (
        "Cost: 3,000 UNet sample-forwards and 800 with gradient, 72.8 s (probe 60.2 s, baseline 12.5 s)."
    )


def test_regions_are_part_of_the_sentence() -> None:
    """So that nobody takes a verdict on a logo for one on the image."""
    told = sentence.outcome(with_the_owl_in_a_region())
    assert told.endswith("1 of 2 targets. 1 of 2 targets are judged in a region of their image, and there alone.")
