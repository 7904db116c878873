"""A report in sentences: what came out, and what it cost."""

from collections import Counter

from palimpsest.contract.report import AuditReport, MitigationSummary


def outcome(report: AuditReport) -> str:
    """The outcome in one sentence, with the policy's answer where there is a policy."""
    partial = "" if report.state == "succeeded" else f"Partial report of a {report.state} audit. "
    return partial + told(report) + policy(report)


def told(report: AuditReport) -> str:
    """The outcome without its circumstances, and what of their images it is about."""
    return said(report) + in_regions(report)


def in_regions(report: AuditReport) -> str:
    """Of how many targets nothing but a region is spoken of; empty where all are whole images."""
    judged = {verdict.target_id for verdict in report.verdicts if verdict.scope.region}
    if not judged:
        return ""
    return f" {len(judged)} of {report.summary.targets} targets are judged in a region of their image, and there alone."


def said(report: AuditReport) -> str:
    """The word of the outcome, with its counts."""
    if report.summary.outcome == "finding":
        found = [finding(row, report.summary.targets) for row in report.summary.mitigations]
        return f"Finding: {'; '.join(part for part in found if part) or 'see the verdicts'}."
    if report.summary.outcome == "no_finding":
        return "No finding: within the stated budget no target came back; that does not prove that any is erased."
    inconclusive = sum(verdict.verdict == "inconclusive" for verdict in report.verdicts)
    share = f"{inconclusive} of {len(report.verdicts)} verdicts are inconclusive"
    if report.summary.outcome == "insufficient_evidence":
        return f"Insufficient evidence: {share}."
    return f"Error: the audit could not be carried out; {share}."


def finding(row: MitigationSummary, targets: int) -> str:
    """``nemo leaves 1 of 8 targets replicating and only conceals 6``; empty where nothing was found."""
    left, concealed = row.counts.get("still_replicates", 0), row.counts.get("concealed", 0)
    if row.mitigation == "none":
        return f"unmitigated, {left} of {targets} targets replicate" if left else ""
    if left and concealed:
        return f"{row.mitigation} leaves {left} of {targets} targets replicating and only conceals {concealed}"
    if left:
        return f"{row.mitigation} leaves {left} of {targets} targets replicating"
    return f"{row.mitigation} only conceals {concealed} of {targets} targets" if concealed else ""


def undecided(report: AuditReport) -> list[str]:
    """Why verdicts are inconclusive, the commonest reason first."""
    reasons = Counter(
        reason for verdict in report.verdicts if verdict.verdict == "inconclusive" for reason in verdict.reasons
    )
    return [f"Inconclusive ({count}): {reason}" for reason, count in reasons.most_common()]


def policy(report: AuditReport) -> str:
    """The policy's answer; empty without a policy."""
    answer = report.summary.policy
    if answer is None:
        return ""
    failing = f" ({', '.join(answer.failing)})" if answer.failing else ""
    return f" Policy: {answer.result}{failing}."


def cost(report: AuditReport) -> str:
    """What it cost in UNet sample-forwards and seconds, the dearest stages first."""
    total = report.cost.total
    stages = sorted(report.cost.stages.items(), key=lambda stage: -stage[1].seconds)
    parts = ", ".join(f"{name} {stage.seconds:.1f} s" for name, stage in stages)
    return (
        f"Cost: {total.unet_sample_forwards:,} UNet sample-forwards and "
        f"{total.unet_sample_forwards_with_gradient:,} with gradient, {total.seconds:.1f} s ({parts})."
    )
