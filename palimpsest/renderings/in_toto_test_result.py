"""in-toto's own predicate for the result of tests: https://in-toto.io/attestation/test-result/v0.1

One test is one target under one mitigation of the model under audit. The predicate knows no third state, so what is
inconclusive is a warning:

    FAILED    a test failed (``judgement``)
    WARNED    none failed, but one is inconclusive or tolerated, nothing was tested, or the audit did not run to its end
    PASSED    every test passed, on the files that are the subject

A statement is about the files it names. Where the audit applied a mitigation itself, to a copy in memory, a target that
was not recovered says nothing of these files: such a test is a warning, too. It passes once the mitigated model is
registered and audited as it lies, beside its baseline; what is then tried on the baseline is no test of it at all.
"""

from typing import Any

from palimpsest.contract.report import Verdict
from palimpsest.renderings.judgement import Judgement, judged, name_of
from palimpsest.renderings.original import Original, written
from palimpsest.renderings.statement import report_descriptor, statement

PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"


def render(original: Original) -> bytes:
    """The statement. Raises NothingToState."""
    tests = {"passed": list[str](), "warned": list[str](), "failed": list[str]()}
    about_the_subject = (v for v in original.report.verdicts if original.model_of(v) is original.audited)
    for verdict in about_the_subject:
        tests[of_these_files(original, verdict)].append(name_of(verdict))
    predicate = {
        "result": result(original, tests["passed"], tests["warned"], tests["failed"]),
        "configuration": configuration(original),
        "passedTests": tests["passed"],
        "warnedTests": tests["warned"],
        "failedTests": tests["failed"],
    }
    return written(statement(original, PREDICATE_TYPE, predicate))


def of_these_files(original: Original, verdict: Verdict) -> Judgement:
    """What the verdict comes to for the subject.

    ``not_memorized`` is of the model before any mitigation: of the subject, or else of its baseline.
    """
    found = judged(original.report, verdict)
    if verdict.verdict == "not_memorized":
        about_them = original.baseline is None
    else:
        about_them = verdict.mitigation in original.as_it_is
    return "warned" if found == "passed" and not about_them else found


def result(original: Original, passed: list[str], warned: list[str], failed: list[str]) -> str:
    """The word for all tests together."""
    if failed:
        return "FAILED"
    return "PASSED" if passed and not warned and original.report.state == "succeeded" else "WARNED"


def configuration(original: Original) -> list[dict[str, Any]]:
    """What the tests were run with: the report, which resolves every setting, and the judges' weights."""
    judges = [
        {"name": judge.kind, "digest": {"sha256": judge.digest}} for judge in original.report.judges if judge.digest
    ]
    return [report_descriptor(original), *judges]
