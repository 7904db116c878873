"""All that a report rests on: records of what was seen, and the plain questions about them."""

from dataclasses import dataclass, field
from typing import Any

from palimpsest.contract.report import (
    Analysed,
    Detected,
    JudgeIdentity,
    LocalJudge,
    ModelIdentity,
    Referenced,
    StageCost,
)
from palimpsest.contract.request import Region
from worker.engine.records import MitigationRecord, ProbeRecord

BYPASSED = ":bypassed"
"""Behind the id of a probe whose asker did not run what the mitigation puts in front of the model."""


@dataclass(frozen=True)
class Failure:
    """A unit that came to nothing: which mitigation (None: the unmitigated model), which items, and its code."""

    mitigation: str | None
    item_ids: list[str]
    code: str


@dataclass(frozen=True)
class Findings:
    """All that a report rests on.

    ``references`` is of the targets that came without an image, ``without_prompt`` names those without a caption.
    ``scopes`` has the regions of targets judged in one, ``regions`` how they and the controls are judged there.
    """

    audit_id: str
    state: str
    request: dict[str, Any]
    resolved: dict[str, Any]
    targets: list[str]
    controls: list[str]
    mitigations: list[str]
    probes: dict[str, str]
    probed: list[ProbeRecord]
    mitigated: list[MitigationRecord]
    failures: list[Failure]
    models: list[ModelIdentity]
    judges: list[JudgeIdentity]
    drift_bound: float
    environment: dict[str, str]
    seeds: dict[str, int]
    limitations: list[str]
    other_costs: dict[str, StageCost]
    detections: list[Detected] = field(default_factory=list)
    analyses: dict[str, list[Analysed]] = field(default_factory=dict)
    references: list[Referenced] = field(default_factory=list)
    without_prompt: frozenset[str] = frozenset()
    regions: list[LocalJudge] = field(default_factory=list)
    scopes: dict[str, Region] = field(default_factory=dict)


def adversarial_probes(findings: Findings) -> list[str]:
    """Ids of the probes that search."""
    return [name for name, kind in findings.probes.items() if kind != "prompt"]


def in_front(findings: Findings) -> list[str]:
    """The mitigations that change no weight and stand in front of the model."""
    return list(dict.fromkeys(record.mitigation for record in findings.mitigated if record.what == "inputs"))


def recoveries(findings: Findings, mitigation: str) -> list[str]:
    """Ids of the probes that may bring a target back: those that search, and all of them past what stands in front."""
    searches = adversarial_probes(findings)
    bypassed = findings.probes if mitigation in in_front(findings) else {}
    return [*searches, *(f"{probe}{BYPASSED}" for probe in bypassed)]


def prompt_probe(findings: Findings) -> str | None:
    """The id of the probe that asks with the caption."""
    return next((name for name, kind in findings.probes.items() if kind == "prompt"), None)


def after_of(mitigation: str, findings: Findings) -> str | None:
    """Where to look for the mitigated model: a mitigation that edits nothing is the unmitigated one."""
    record = next((m for m in findings.mitigated if m.mitigation == mitigation), None)
    return None if record is not None and record.what == "nothing" else mitigation
