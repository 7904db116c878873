"""Where what a report says is asked for: rows of public documents, in this project's own words.

A row says which part of a report bears on it, never that it is met: that is for whoever reads both.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Mapping:
    """One row: the document, its own identifier, what it is about, and what a report brings to it.

    ``of_targets`` where it is about single works that come back.
    """

    framework: str
    ref: str
    about: str
    evidence: str
    of_targets: bool = False


NIST = "NIST AI 600-1"
EU_CODE = "EU GPAI Code of Practice, Copyright"
FRAMEWORKS = {NIST: ("NIST", "July 2024"), EU_CODE: ("European Commission", "10 July 2025")}
"""Who published the document, and when."""

MAPPINGS = (
    Mapping(
        NIST,
        "MS-2.10-001",
        "red-teaming for training data in outputs, copyrighted material among it",
        "verdicts: whether each target is drawn from its caption, and from an embedding that was searched for",
        of_targets=True,
    ),
    Mapping(
        NIST,
        "MS-2.7-007",
        "red-teaming against attacks such as adversarial prompts and membership inference",
        "resolved.probes: which attacks were tried, at which budget; summary.mitigations: how often they succeeded",
    ),
    Mapping(
        NIST,
        "MS-2.6-007",
        "whether safety measures can be circumvented",
        "verdicts with the word concealed: the mitigation holds for the caption and not for the search",
    ),
    Mapping(
        NIST,
        "MS-2.7-009",
        "whether security measures are effective and have remained so",
        "an audit of the same model and targets may be repeated at any time; result_digest says whether it changed",
    ),
    Mapping(
        NIST,
        "MS-2.8-002",
        "what red-teamers were instructed to do, documented",
        "request and resolved: every setting of every method, defaults included; seeds",
    ),
    Mapping(
        NIST,
        "MS-2.13-001",
        "how metrics err and whether they measure what they are meant to",
        "judges: threshold and bound of its false positives; controls at the same budget; intervals of every rate",
    ),
    Mapping(
        EU_CODE,
        "Measure 1.4",
        "safeguards against outputs that reproduce protected training content",
        "verdicts for the works that were named as targets, before and after each safeguard",
        of_targets=True,
    ),
)


def rows() -> list[dict[str, Any]]:
    """As plain data."""
    names = ("framework", "ref", "about", "evidence")
    return [{name: getattr(mapping, name) for name in names} for mapping in MAPPINGS]
