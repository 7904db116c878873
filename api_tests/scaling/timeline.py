"""Where the workers' time went, from the times in the ledger: working, waiting for others, or on the way.

A worker's time between two units is the *way* to the second if that was queued when the first ended (pick-up, claim),
and *idle* for the rest: nothing that it could have begun was there. What a lease lasts beyond the unit's own seconds
(reading, writing, committing) is its *upkeep*.
"""

from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Span:
    """One unit under one worker's lease; times in seconds."""

    stage: str
    owner: str
    queued: float
    leased: float
    finished: float


@dataclass
class StageTimes:
    """Sums over a stage's units, in seconds."""

    units: int = 0
    held: float = 0.0
    way: float = 0.0
    idle: float = 0.0


@dataclass
class Timeline:
    """All of it, by stage, and the time from the first moment to the last."""

    workers: int
    began: float
    ended: float
    stages: dict[str, StageTimes] = field(default_factory=lambda: defaultdict(StageTimes))

    @property
    def wall(self) -> float:
        """Seconds."""
        return self.ended - self.began


def timeline(spans: list[Span], workers: int, began: float, ended: float) -> Timeline:
    """Sort every second of every worker between ``began`` and ``ended``; what follows its last unit is idle, too."""
    found = Timeline(workers, began, ended)
    by_worker: dict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: span.leased):
        by_worker[span.owner].append(span)
        stage = found.stages[span.stage]
        stage.units += 1
        stage.held += span.finished - span.leased
    for mine in by_worker.values():
        free = began
        for span in mine:
            could = min(max(free, span.queued), span.leased)
            found.stages[span.stage].idle += could - free
            found.stages[span.stage].way += span.leased - could
            free = span.finished
        found.stages["(after the last)"].idle += ended - free
    found.stages["(after the last)"].idle += (workers - len(by_worker)) * (ended - began)
    return found
