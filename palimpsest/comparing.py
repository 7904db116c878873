"""What is different between two reports: verdict by verdict, and rate by rate with its interval.

Only what both have is compared; what one lacks is named. Two shares are ``apart`` when their intervals do not touch:
anything less may be chance.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from palimpsest.contract.report import AuditReport, Rate, ReplicationRates


@dataclass(frozen=True)
class VerdictChange:
    """One target under one mitigation; None where a report does not have it."""

    target: str
    mitigation: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class RateChange:
    """One share over targets or controls."""

    mitigation: str
    what: str
    before: Rate
    after: Rate

    @property
    def apart(self) -> bool:
        """Whether the intervals have no point in common."""
        return self.before.high < self.after.low or self.after.high < self.before.low


@dataclass(frozen=True)
class Difference:
    """All that is different, and what else is, so that the two may not be about the same."""

    caveats: list[str]
    verdicts: list[VerdictChange]
    rates: list[RateChange]

    @property
    def empty(self) -> bool:
        """Whether both say the same of their targets."""
        return not self.verdicts and not self.rates


def difference(before: AuditReport, after: AuditReport) -> Difference:
    """From the one to the other."""
    return Difference(list(caveats(before, after)), list(verdicts(before, after)), list(rates(before, after)))


def caveats(before: AuditReport, after: AuditReport) -> Iterator[str]:
    """What both would have to share for a change to be of the model alone."""
    pairs = {
        "the judge": (judges(before), judges(after)),
        "the effort": (before.resolved.get("effort"), after.resolved.get("effort")),
        "the probes": (before.resolved.get("probes"), after.resolved.get("probes")),
        "the seed": (before.request.get("seed", 0), after.request.get("seed", 0)),
        "the model": (models(before), models(after)),
        "the state": (before.state, after.state),
    }
    said, says = scopes(before), scopes(after)
    pairs |= {f"the scope of {target}": (said[target], says[target]) for target in said if target in says}
    for name, (one, other) in pairs.items():
        if one != other:
            yield f"{name} is another"


def judges(report: AuditReport) -> list[tuple[str, float]]:
    """Digest and threshold of every judge."""
    return [(judge.digest, judge.threshold) for judge in report.judges]


def models(report: AuditReport) -> list[tuple[str, str]]:
    """Role and digest of every model."""
    return [(model.role, model.digest) for model in report.models]


def verdicts(before: AuditReport, after: AuditReport) -> Iterator[VerdictChange]:
    """Those that are not the same word, in the order of the first report, then of the second.

    A word on a region and one on the whole image, or on another region, are not compared; the caveats name the target.
    """
    said, says = words(before), words(after)
    one, other = scopes(before), scopes(after)
    others = {target for target in one if target in other and one[target] != other[target]}
    for cell in said | says:
        if said.get(cell) != says.get(cell) and not (cell in said and cell in says and cell[0] in others):
            yield VerdictChange(*cell, before=said.get(cell), after=says.get(cell))


def scopes(report: AuditReport) -> dict[str, str]:
    """What of its image every target was judged by: ``whole``, or which region."""
    return {verdict.target_id: verdict.scope.words or verdict.scope.kind for verdict in report.verdicts}


def words(report: AuditReport) -> dict[tuple[str, str], str]:
    """The verdict of every target under every mitigation."""
    return {(verdict.target_id, verdict.mitigation): verdict.verdict for verdict in report.verdicts}


def rates(before: AuditReport, after: AuditReport) -> Iterator[RateChange]:
    """Those of mitigations both have whose counts are others."""
    said, says = told(before), told(after)
    for name in said:
        if name in says and (said[name].k, said[name].n) != (says[name].k, says[name].n):
            yield RateChange(*name, before=said[name], after=says[name])


def told(report: AuditReport) -> dict[tuple[str, str], Rate]:
    """Every rate by its mitigation and what it is of."""
    return {
        (row.mitigation, what): rate
        for row in report.summary.mitigations
        for what, rate in named(row.replication_rate).items()
    }


def named(measured: ReplicationRates) -> dict[str, Rate]:
    """The rates of one mitigation by what they are of."""
    searched = {f"+{probe}": rate for probe, rate in measured.adversarial.items()}
    controls = {f"controls {probe}": rate for probe, rate in measured.control.items()}
    return {"before": measured.before, "prompt": measured.prompt} | searched | controls
