"""Reports to be rendered: the example, and the example with a few words changed."""

from typing import Any

from palimpsest.contract.report import AuditReport
from palimpsest.renderings.original import Original
from palimpsest.tests.example import a_report


def original(report: AuditReport | None = None) -> Original:
    """As it would be read from the evidence."""
    return Original.read((report or a_report()).model_dump_json().encode())


def with_verdicts(*words: str, mitigation: str = "nemo", policy: list[str] | None = None, **changes: Any) -> Original:
    """A report of one mitigation, whose targets are numbered and have these verdicts."""
    report = a_report()
    verdicts = [
        report.verdicts[2].model_copy(update={"target_id": f"t{n}", "verdict": word, "mitigation": mitigation})
        for n, word in enumerate(words, start=1)
    ]
    request = report.request | ({} if policy is None else {"policy": {"fail_on": policy}})
    return original(report.model_copy(update={"verdicts": verdicts, "request": request, **changes}))
