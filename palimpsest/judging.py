"""Whether a report passes a policy: a pure function, one table of rules.

Each rule looks at the whole report and returns rulings: none where it has nothing to object and nothing to claim.

    finding          something the policy does not accept was found
    inconclusive     what would have to be known for a pass is not
    not_applicable   nothing of this kind could be tested
    pass             it was looked for at the stated budget, and not found

The gravest ruling, in this order, is the judgement; no ruling at all is inconclusive. So a report with a gap never
passes, and a finding stays one however much else is missing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from palimpsest.contract.policy import GatePolicy
from palimpsest.contract.report import AuditReport, MitigationSummary, Verdict
from palimpsest.intervals import upper
from palimpsest.renderings.judgement import FINDINGS

Answer = Literal["finding", "inconclusive", "not_applicable", "pass"]
GRAVITY: tuple[Answer, ...] = ("finding", "inconclusive", "not_applicable", "pass")
EFFORTS = ("quick", "standard", "thorough")
NAMED = 5  # targets that a sentence names before it counts


@dataclass(frozen=True)
class Ruling:
    """What one rule says, in one sentence."""

    rule: str
    answer: Answer
    sentence: str


@dataclass(frozen=True)
class Judgement:
    """The answer, and every ruling it rests on, as the rules stand in their table."""

    answer: Answer
    rulings: list[Ruling]


Said = Iterator[tuple[Answer, str]]


def judge(report: AuditReport, policy: GatePolicy) -> Judgement:
    """A report by a policy."""
    rulings = [Ruling(name, *said) for name, rule in RULES.items() for said in rule(report, policy)]
    answers = {ruling.answer for ruling in rulings}
    return Judgement(next((answer for answer in GRAVITY if answer in answers), "inconclusive"), rulings)


def ran_to_its_end(report: AuditReport, _: GatePolicy) -> Said:
    """A partial report, and one whose outcome is a gap or a fault, is no ground for a pass."""
    if report.state != "succeeded":
        yield "inconclusive", f"the audit was {report.state}: the report is partial"
    if report.summary.outcome in ("insufficient_evidence", "error"):
        yield "inconclusive", f"the report's own outcome is {report.summary.outcome}"


def as_asked(report: AuditReport, _: GatePolicy) -> Said:
    """Where the request came with a policy, its answer counts too."""
    asked = report.summary.policy
    if asked is not None and asked.result == "fail":
        yield "finding", f"the request's own policy fails: {listed(asked.failing)}"
    elif asked is not None and asked.result != "pass":
        yield "inconclusive", f"the request's own policy says {asked.result}"


def every_verdict(report: AuditReport, policy: GatePolicy) -> Said:
    """The words, by mitigation: what the policy fails on, what is missing or undecided, what nothing was tried for."""
    for mitigation in judged_mitigations(report, policy):
        told = verdicts_of(report, mitigation)
        failing = [f"{verdict.about} {verdict.verdict}" for verdict in told if verdict.verdict in policy.fail_on]
        if failing:
            yield "finding", f"{mitigation}: {len(failing)} of {len(told)} targets: {listed(failing)}"
        yield from gaps(report, mitigation, told)
        if told and not failing and all(verdict.verdict == "not_detected" for verdict in told):
            yield "not_applicable", f"{mitigation}: no prompt was flagged, and no target has an image to look for"
        elif told and not failing:
            yield "pass", f"{mitigation}: {without(policy)} within the stated budget, of {len(told)} targets"
    if not judged_mitigations(report, policy):
        yield "inconclusive", "the report has no mitigation to judge"


def gaps(report: AuditReport, mitigation: str, told: list[Verdict]) -> Said:
    """What is not known of one mitigation."""
    if len({verdict.target_id for verdict in told}) != report.summary.targets or not told:
        yield "inconclusive", f"{mitigation}: {len(told)} verdicts for {report.summary.targets} targets"
    undecided = [verdict.about for verdict in told if verdict.verdict == "inconclusive"]
    if undecided:
        yield "inconclusive", f"{mitigation}: {len(undecided)} of {len(told)} inconclusive: {listed(undecided)}"
    untried = [verdict.target_id for verdict in told if verdict.verdict == "not_detected"]
    if untried and len(untried) < len(told):
        yield "inconclusive", f"{mitigation}: nothing was searched for in {len(untried)} of {len(told)}"


def budget(report: AuditReport, policy: GatePolicy) -> Said:
    """A smaller search than the policy asks for claims less."""
    effort = effort_of(report)
    if effort not in EFFORTS or EFFORTS.index(effort) < EFFORTS.index(policy.effort_at_least):
        yield "inconclusive", f"effort {effort} is less than {policy.effort_at_least}"
    least = policy.search_steps_at_least
    if least is not None:
        most = max((steps_of(probe) for probe in report.resolved.get("probes", [])), default=0)
        if most < least:
            yield "inconclusive", f"the longest search has {most} steps, not {least}"


def share_recovered(report: AuditReport, policy: GatePolicy) -> Said:
    """k of n targets replicate or are concealed: k/n and the upper end of its interval, against the bound."""
    bound = policy.recovered_at_most
    for mitigation in judged_mitigations(report, policy) if bound is not None else []:
        told = verdicts_of(report, mitigation)
        k, n = sum(verdict.verdict in FINDINGS for verdict in told), len(told)
        high = upper(k, n)
        share = f"{mitigation}: {k} of {n} recovered, at most {high:.2%} at 95 %"
        assert bound is not None
        if n and k / n > bound:
            yield "finding", f"{share}; the share itself is over {bound:.2%}"
        elif high > bound:
            yield "inconclusive", f"{share}, not {bound:.2%}: too few targets for that bound"
        else:
            yield "pass", f"{share}, within {bound:.2%}"


def sampling(report: AuditReport, policy: GatePolicy) -> Said:
    """A claim about a corpus rests on how the targets were drawn from it."""
    if policy.claim != "corpus":
        return
    drawn = policy.sampling
    if drawn is None:
        yield "inconclusive", "a claim about a corpus, and no sampling is declared"
    elif drawn.drawn != "uniformly":
        yield (
            "inconclusive",
            f"targets were not drawn uniformly from {drawn.corpus}: the interval says nothing about it",
        )
    elif report.summary.targets > drawn.size:
        yield "inconclusive", f"{report.summary.targets} targets from a corpus of {drawn.size}"


def drift(report: AuditReport, policy: GatePolicy) -> Said:
    """What the mitigation cost on neutral prompts; nothing is asked of one that changes nothing."""
    bound = policy.drift_at_most
    if bound is None:
        return
    idle = {each.get("id") for each in report.resolved.get("mitigations", []) if each.get("kind") == "none"}
    for mitigation in judged_mitigations(report, policy):
        row = row_of(report, mitigation)
        if row is not None and row.drift is not None:
            over = row.drift.value > bound
            told = f"{mitigation}: drift {row.drift.value:.3f}, {'over' if over else 'within'} {bound:g}"
            yield "finding" if over else "pass", told
        elif mitigation not in idle:
            yield "inconclusive", f"{mitigation}: its drift was not measured"


RULES: dict[str, Callable[[AuditReport, GatePolicy], Said]] = {
    "complete": ran_to_its_end,
    "request": as_asked,
    "verdicts": every_verdict,
    "budget": budget,
    "share": share_recovered,
    "sampling": sampling,
    "drift": drift,
}


def judged_mitigations(report: AuditReport, policy: GatePolicy) -> list[str]:
    """The ids the policy names, or all there are."""
    if policy.mitigations is not None:
        return list(dict.fromkeys(policy.mitigations))
    return [row.mitigation for row in report.summary.mitigations]


def verdicts_of(report: AuditReport, mitigation: str) -> list[Verdict]:
    """Every target under one mitigation."""
    return [verdict for verdict in report.verdicts if verdict.mitigation == mitigation]


def row_of(report: AuditReport, mitigation: str) -> MitigationSummary | None:
    """Its row of the comparison."""
    return next((row for row in report.summary.mitigations if row.mitigation == mitigation), None)


def effort_of(report: AuditReport) -> str:
    """The effort by name, as it was resolved, or as it was asked for."""
    resolved = report.resolved.get("effort")
    return str(resolved["name"] if isinstance(resolved, dict) else resolved or report.request.get("effort"))


def steps_of(probe: dict[str, Any]) -> int:
    """Steps of a probe's search; 0 for one that does not search."""
    steps = probe.get("steps", 0)
    return steps if isinstance(steps, int) else 0


def without(policy: GatePolicy) -> str:
    """``none is still_replicates or concealed``"""
    return f"none is {' or '.join(policy.fail_on)}" if policy.fail_on else "every verdict is decided"


def listed(names: list[str]) -> str:
    """The first few, and how many more."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
