"""From verdicts to the whole audit in a few numbers: counts, rates, curves, and the outcome."""

from collections import Counter
from typing import Any

from palimpsest.contract.report import (
    Drift,
    MitigationSummary,
    PolicyResult,
    RecoveryPoint,
    Replication,
    ReplicationRates,
    Summary,
    SwitchedOff,
    Verdict,
)
from palimpsest.contract.verdicts import VERDICTS, Outcome
from worker.engine.cells import Cells
from worker.engine.findings import Findings, after_of, prompt_probe, recoveries
from worker.engine.rates import rate
from worker.engine.records import MitigationRecord


def summarize(findings: Findings, cells: Cells, verdicts: list[Verdict]) -> Summary:
    """Counts and rates per mitigation, and the outcome."""
    rows = [
        summary_of(findings, cells, name, [v for v in verdicts if v.mitigation == name])
        for name in findings.mitigations
    ]
    return Summary(
        outcome=outcome_of(findings, verdicts),
        targets=len(findings.targets),
        controls=len(findings.controls),
        mitigations=rows,
        policy=policy_of(findings, verdicts),
    )


def outcome_of(findings: Findings, verdicts: list[Verdict]) -> Outcome:
    """A finding is a target that replicates or is concealed; without one, gaps in the evidence count."""
    words = {verdict.verdict for verdict in verdicts}
    if words & {"still_replicates", "concealed"}:
        return "finding"
    if not verdicts or "inconclusive" in words or findings.state != "succeeded":
        return "insufficient_evidence"
    return "no_finding"


def policy_of(findings: Findings, verdicts: list[Verdict]) -> PolicyResult | None:
    """Judged by the request's policy; gaps are insufficient evidence, never a pass."""
    policy = findings.request.get("policy")
    if policy is None:
        return None
    failing = [f"{v.about} under {v.mitigation}: {v.verdict}" for v in verdicts if v.verdict in policy["fail_on"]]
    gaps = not verdicts or findings.state != "succeeded" or any(v.verdict == "inconclusive" for v in verdicts)
    return PolicyResult(result="fail" if failing else "insufficient_evidence" if gaps else "pass", failing=failing)


def summary_of(findings: Findings, cells: Cells, mitigation: str, verdicts: list[Verdict]) -> MitigationSummary:
    """One row of the comparison."""
    after, prompt, means = after_of(mitigation, findings), prompt_probe(findings), recoveries(findings, mitigation)
    counts = Counter(verdict.verdict for verdict in verdicts)
    answers = [a for p in findings.probes for role in ("target", "control") for a in cells.answers(after, role, p)]
    records = [record for record in findings.mitigated if record.mitigation == mitigation]

    def share(what: str | None, role: str, probe: str | None) -> Any:
        seen = cells.answers(what, role, probe) if probe else []
        return rate(sum(answer.replicates for answer in seen), len(seen))

    return MitigationSummary(
        mitigation=mitigation,
        scope=records[0].scope if records else None,
        counts={word: counts.get(word, 0) for word in VERDICTS},
        replication_rate=ReplicationRates(
            before=share(None, "target", prompt),
            prompt=share(after, "target", prompt),
            adversarial={p: share(after, "target", p) for p in means},
            control={p: share(after, "control", p) for p in dict.fromkeys([*findings.probes, *means])},
        ),
        recovery_curve={p: curve(cells, after, p) for p in means},
        switched_off=switched_off(records),
        drift=drift_of(findings, records),
        judges_disagree=sum(answer.second_judge.disagrees for answer in answers),
    )


def curve(cells: Cells, after: str | None, probe: str) -> list[RecoveryPoint]:
    """Share recovered by each step at which somebody's recovery was first confirmed."""
    targets, controls = cells.answers(after, "target", probe), cells.answers(after, "control", probe)
    looks = sorted({a.first_step for a in [*targets, *controls] if a.first_step is not None})

    def by(step: int, answers: list[Replication]) -> Any:
        return rate(sum(a.first_step is not None and a.first_step <= step for a in answers), len(answers))

    return [RecoveryPoint(step=step, targets=by(step, targets), controls=by(step, controls)) for step in looks]


def switched_off(records: list[MitigationRecord]) -> SwitchedOff | None:
    """Mean over groups of what is off."""
    off = [count for record in records for count in record.off.values()]
    if not off or records[0].what == "nothing":
        return None
    mean = sum(off) / len(off)
    return SwitchedOff(
        what=records[0].what, count=round(mean, 3), of=records[0].size, share=round(mean / records[0].size, 6)
    )


def drift_of(findings: Findings, records: list[MitigationRecord]) -> Drift | None:
    """Mean over groups and neutral prompts."""
    values = [value for record in records for row in record.drift.values() for value in row]
    if not values:
        return None
    mean, bound = sum(values) / len(values), findings.drift_bound
    return Drift(value=round(mean, 5), n=len(values), bound=bound, degraded=mean > bound)
