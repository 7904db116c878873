"""The page of a report: the answer, the comparison, the curves, the pictures, the limits, and how to do it again."""

import json
from dataclasses import dataclass

from palimpsest import __version__, sentence
from palimpsest.contract.report import AuditReport
from palimpsest.pages import look
from palimpsest.pages.curve import HEIGHT, LEFT, RIGHT, TOP, WIDTH, curves
from palimpsest.pages.curve import y as height_of
from palimpsest.pages.figures import compared, table
from palimpsest.pages.strips import Where, spaced, strips
from palimpsest.renderings.original import Original

WORDS = {
    "still_replicates": "still replicates",
    "concealed": "only concealed",
    "inconclusive": "inconclusive",
    "not_detected": "not detected",
    "not_recovered": "not recovered",
    "not_memorized": "not memorized",
}
SIGNS = dict(zip(WORDS, ("✕", "◐", "?", "–", "✓", "○"), strict=True))
"""Beside the word, so that colour is never all there is."""

OUTCOMES = {
    "finding": "Finding",
    "no_finding": "No finding",
    "insufficient_evidence": "Insufficient evidence",
    "error": "Error",
}


TURNING = {at: f"\\u{at:04x}" for at in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
"""Unicode's bidirectional controls, as JSON may write them."""


@dataclass(frozen=True)
class Frame:
    """The edges of every drawing."""

    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    floor: float = height_of(0.0)


def page(original: Original, where: Where, *, images: str) -> bytes:
    """The page, in UTF-8. ``where`` has the addresses of pictures, ``images`` the source a browser may take them from,
    besides the page itself (as in Content-Security-Policy)."""
    report = original.report
    probes = searches(report)
    shown = strips(report, where)
    told = look.page(
        look.HERE,
        "report.html",
        report=report,
        sha256=original.sha256,
        audited=original.audited if report.models else None,
        version=__version__,
        policy=look.policy(images=images),
        answer=sentence.outcome(report),
        outcome=OUTCOMES.get(report.summary.outcome, report.summary.outcome),
        probes=[spaced(probe) for probe in probes],
        compared=[compared(row, probes) for row in report.summary.mitigations],
        curves=curves(report.summary.mitigations),
        frame=Frame(),
        strips=shown,
        hidden=len({verdict.target_id for verdict in report.verdicts}) - len(shown),
        analyses=[table(name, found) for name, found in report.analyses.items()],
        undecided=sentence.undecided(report),
        cost=sentence.cost(report),
        effort=effort(report),
        request=asked(report),
        words=WORDS,
        signs=SIGNS,
        spaced=spaced,
    )
    return told.encode(errors="replace")


def searches(report: AuditReport) -> list[str]:
    """Ids of the searches, in the order the comparison names them."""
    named = (probe for row in report.summary.mitigations for probe in row.replication_rate.adversarial)
    return list(dict.fromkeys(named))


def asked(report: AuditReport) -> str:
    """The request as JSON that can be copied: what would turn the direction of its neighbours stands there escaped."""
    return json.dumps(report.request, indent=2, ensure_ascii=False).translate(TURNING)


def effort(report: AuditReport) -> str:
    """Of how many pictures how many have to be copies; empty where the report does not say."""
    found = report.resolved.get("effort")
    if not isinstance(found, dict) or not {"hits_to_replicate", "evaluation_images"} <= set(found):
        return ""
    return f"at least {found['hits_to_replicate']} of {found['evaluation_images']} pictures"
