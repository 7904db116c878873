"""What a verdict comes to where there are only pass, warning and failure: by the request's policy, or by its word.

failed    what the policy fails on; without a policy a target that replicates or is concealed
passed    not memorized, not recovered
warned    anything else: inconclusive, not detected, a finding that the policy tolerates
"""

from typing import Literal

from palimpsest.contract.report import AuditReport, Verdict

Judgement = Literal["passed", "warned", "failed"]

FINDINGS = ("still_replicates", "concealed")
ABSENT = ("not_memorized", "not_recovered")


def judged(report: AuditReport, verdict: Verdict) -> Judgement:
    """One verdict. What is inconclusive never passes."""
    policy = report.request.get("policy")
    if verdict.verdict in (FINDINGS if policy is None else policy["fail_on"]):
        return "failed"
    return "passed" if verdict.verdict in ABSENT else "warned"


def name_of(verdict: Verdict) -> str:
    """A verdict's name wherever it is one of many; a region's is never that of the whole image."""
    return f"{verdict.about} under {verdict.mitigation}"
