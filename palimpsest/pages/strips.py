"""Which pictures stand beside each other: the target, what its caption drew before, after, and what a search recovered.

A picture is named by its digest and shown from wherever ``Where`` says it is. One strip of the auditor's shows all
evaluation pictures of an answer side by side.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from palimpsest.contract.report import (
    AuditReport,
    ControlEvidence,
    LocalJudge,
    Rectangle,
    Referenced,
    Replication,
    Scope,
    Verdict,
)
from palimpsest.contract.verdicts import VerdictName

Where = Callable[[str], str | None]
"""A picture's address by its digest; None where it is not to be shown."""

MOST = 60
"""Targets that are shown one by one, those with the gravest verdicts; the report has all."""

DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
GRAVITY: list[VerdictName] = [
    "still_replicates",
    "concealed",
    "inconclusive",
    "not_detected",
    "not_recovered",
    "not_memorized",
]


@dataclass(frozen=True)
class Picture:
    """``source`` is None where there is nothing to show; ``alt`` says what one would see."""

    title: str
    alt: str
    source: str | None
    told: str
    replicates: bool | None = None
    more: str = ""
    frame: Rectangle | None = None
    """The region that is judged, where the picture is the whole of what it is a region of."""


@dataclass(frozen=True)
class After:
    """One target under one mitigation."""

    mitigation: str
    verdict: VerdictName
    reasons: list[str]
    pictures: list[Picture]


@dataclass(frozen=True)
class Strip:
    """One target: its picture, the unmitigated model's, and those after every mitigation."""

    target: str
    prompt: str | None
    before: list[Picture]
    after: list[After]
    scope: str = ""
    """Which region is judged, by which threshold; empty for a whole image."""


def strips(report: AuditReport, where: Where) -> list[Strip]:
    """The gravest first where there are more than ``MOST``, otherwise as they come."""
    by_target: dict[str, list[Verdict]] = {}
    for verdict in report.verdicts:
        by_target.setdefault(verdict.target_id, []).append(verdict)
    shown = list(by_target)
    if len(shown) > MOST:
        shown = sorted(shown, key=lambda its: min(GRAVITY.index(each.verdict) for each in by_target[its]))[:MOST]
    asked, as_it_is = requested(report), unmitigated(report)
    stand_ins = {each.target_id: each for each in report.references}
    judges = {judge.item_id: judge for judge in report.regions if judge.role == "target"}
    return [
        strip(
            target,
            by_target[target],
            prompt=asked.get(target, {}).get("prompt"),
            original=original(target, asked.get(target, {}), stand_ins.get(target), where),
            as_it_is=as_it_is,
            where=where,
            judged=told_of(by_target[target][0].scope, judges.get(target)),
        )
        for target in shown
    ]


def unmitigated(report: AuditReport) -> set[str]:
    """Ids of the mitigations that do nothing: what they leave is what was before."""
    return {str(each.get("id")) for each in report.resolved.get("mitigations", []) if each.get("kind") == "none"}


def requested(report: AuditReport) -> dict[str, dict[str, Any]]:
    """The targets that came with the request, by id; those of a registered set are in the set."""
    listed = report.request.get("targets") or []
    return {str(row.get("id") or f"target-{n}"): row for n, row in enumerate(listed, start=1)}


def strip(
    target: str,
    verdicts: list[Verdict],
    *,
    prompt: str | None,
    original: Picture,
    as_it_is: set[str],
    where: Where,
    judged: str = "",
) -> Strip:
    """One target's; ``judged`` is what its scope is told as."""
    seen = verdicts[0].before
    before = [replace(original, frame=verdicts[0].scope.region)]
    if seen.prompt is not None:
        before.append(answer("Before, by caption", target, seen.prompt, None, where))
    before += [answer(f"Before, by {spaced(name)}", target, its, None, where) for name, its in seen.adversarial.items()]
    after = [
        After(v.mitigation, v.verdict, v.reasons, [] if v.mitigation in as_it_is else pictures(target, v, where))
        for v in verdicts
    ]
    return Strip(target, prompt, before, after, judged)


def told_of(scope: Scope, judge: LocalJudge | None) -> str:
    """What of its image a target is judged by, in a sentence; empty for a whole image."""
    if scope.region is None:
        return ""
    alone = f"Judged in the {scope.words} of its image, and there alone"
    if judge is None:
        return f"{alone}."
    power = "" if judge.has_power else " The judge has no power there: it would not know a copy."
    return (
        f"{alone}: a copy is more similar than {judge.threshold:g} at one of {judge.looks} places, which none of "
        f"{judge.negatives} pictures of neutral prompts is.{power}"
    )


def original(target: str, asked: dict[str, Any], stand_in: Referenced | None, where: Where) -> Picture:
    """The target's own image, where it came with the request, or what stands in for it."""
    if stand_in is not None:
        return consensus(stand_in, where)
    images = asked.get("images") or []
    if not images:
        return Picture("Target", target, None, "of a registered set, which the audit keeps no copy of")
    told = "came with the request" + (f", the first of {len(images)}" if len(images) > 1 else "")
    return Picture("Target", f"the target {target}", shown([str(images[0].get("sha256"))], where), told)


def consensus(stand_in: Referenced, where: Where) -> Picture:
    """What the unmitigated model draws of the caption again and again; no training image is claimed."""
    target = stand_in.target_id
    if stand_in.picture is None:
        return Picture("No target", target, None, f"no image was given and nothing stands in ({stand_in.reason})")
    told = f"no image was given: the model's own consensus, of which {stand_in.support} of {stand_in.of} are copies"
    return Picture("Stands in for the target", f"the consensus for {target}", shown([stand_in.picture], where), told)


def pictures(target: str, verdict: Verdict, where: Where) -> list[Picture]:
    """What the caption and every search drew under a mitigation."""
    under = f"under {verdict.mitigation}"
    made = []
    if verdict.prompt is not None:
        made.append(answer("After, by caption", f"{target} {under}", verdict.prompt, None, where))
    for probe, seen in verdict.adversarial.items():
        title = f"{'Recovered' if seen.replicates else 'Not recovered'}, by {spaced(probe)}"
        made.append(answer(title, f"{target} {under}", seen, verdict.controls.get(probe), where))
    return made


def answer(title: str, of: str, seen: Replication, control: ControlEvidence | None, where: Where) -> Picture:
    """One answer's pictures."""
    told = f"{seen.hits} of {len(seen.scores)} are copies, best similarity {seen.max_score:.2f}"
    parts = [searched(seen), *([] if control is None else [controls(control)])]
    if seen.text is not None:
        parts.append(f"typed: {seen.text}")
    alt = f"{title} ({of}): {told}"
    return Picture(title, alt, shown(seen.images, where), told, seen.replicates, "; ".join(filter(None, parts)))


def searched(seen: Replication) -> str:
    """How long a search took; empty for a caption."""
    if seen.steps is None:
        return ""
    found = seen.first_step is not None and seen.replicates
    return f"found at step {seen.first_step} of {seen.steps}" if found else f"{seen.steps} steps"


def controls(control: ControlEvidence) -> str:
    """``controls 0 of 8, p = 0.01``."""
    p = "" if control.p_adjusted is None else f", p = {control.p_adjusted:.2g}"
    return f"controls {control.rate.k} of {control.rate.n}{p}" + (" (descriptive)" if control.descriptive else "")


def shown(digests: Iterable[str], where: Where) -> str | None:
    """Where the first of these is, if it is a digest at all."""
    found = (DIGEST.fullmatch(digest) for digest in digests)
    return next((where(match[1]) for match in found if match), None)


def spaced(name: str) -> str:
    """An id as words."""
    return name.replace("_", " ")
