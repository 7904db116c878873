"""Reports to be rendered: the example, and the example with a few words changed."""

from typing import Any

from palimpsest.contract.report import AuditReport
from palimpsest.renderings.original import Original
from palimpsest.tests.example import a_report


def original(report: AuditReport | None = None) -> Original:
    """As it would be read from the evidence."""
    return Original.read((report or a_report()).model_dump_json().encode())


def beside_a_baseline(*words: str, mitigation: str = "external") -> Original:
    """The same of a model that was mitigated elsewhere, beside the one it came from; NeMo was tried on the latter."""
    report = with_verdicts(*words, mitigation=mitigation).report
    [audited] = report.models
    baseline = audited.model_copy(update={"id": "before", "role": "baseline", "files": {"model_index.json": "07" * 32}})
    listed = [{"kind": "none", "id": "none"}, {"kind": "nemo", "id": "nemo"}, {"kind": "external", "id": "external"}]
    changes = {"models": [audited, baseline], "resolved": report.resolved | {"mitigations": listed}}
    return original(report.model_copy(update=changes))


def with_verdicts(*words: str, mitigation: str = "nemo", policy: list[str] | None = None, **changes: Any) -> Original:
    """A report of one mitigation, whose targets are numbered and have these verdicts."""
    report = a_report()
    verdicts = [
        report.verdicts[2].model_copy(update={"target_id": f"t{n}", "verdict": word, "mitigation": mitigation})
        for n, word in enumerate(words, start=1)
    ]
    request = report.request | ({} if policy is None else {"policy": {"fail_on": policy}})
    return original(report.model_copy(update={"verdicts": verdicts, "request": request, **changes}))
