"""A table in the layout of NeMo's prompt files (``memorized_laion_prompts.csv``), to set numbers beside theirs.

    ;Caption;URL;type;mean_sscd;max_sscd;Index;target;<mitigation> verdict;<mitigation> prompt max_sscd;…;scope

One row a target. ``mean_sscd`` and ``max_sscd`` are the descriptor's of the caption on the unmitigated model, as in the
original; every mitigation has columns of its own behind them: the verdict, and the best similarity by caption and by
each search. ``type`` and ``URL`` are theirs and not known here, ``Index`` is the target's place from 1; a caption is
known where the request carried it, the captions of a registered set are in the set. What was not measured is empty.
``scope``, last, is ``whole``, or the region of the image that all of a row's similarities are of.

Hintersdorf et al., Finding NeMo (NeurIPS 2024),
https://github.com/ml-research/localizing_memorization_in_diffusion_models
"""

import csv
import io

from palimpsest.contract.report import Replication, Verdict
from palimpsest.renderings.original import Original

THEIRS = ["", "Caption", "URL", "type", "mean_sscd", "max_sscd", "Index"]
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for the beginning of a formula."""


def render(original: Original) -> bytes:
    """The table, in UTF-8, separated by semicolons; lines end as RFC 4180 has it, so that a bare CR is quoted too."""
    by_target: dict[str, dict[str, Verdict]] = {}
    for verdict in original.report.verdicts:
        by_target.setdefault(verdict.target_id, {})[verdict.mitigation] = verdict
    mitigations = list(dict.fromkeys(verdict.mitigation for verdict in original.report.verdicts))
    probes = list(dict.fromkeys(probe for verdict in original.report.verdicts for probe in verdict.adversarial))
    captions = captions_of(original)
    file = io.StringIO(newline="")
    table = csv.writer(file, delimiter=";", lineterminator="\r\n")
    table.writerow([*THEIRS, "target", *(f"{m} {what}" for m in mitigations for what in headings(probes)), "scope"])
    for place, (target, found) in enumerate(by_target.items()):
        before = next(iter(found.values())).before.prompt
        sscd = [number(before, "mean_score"), number(before, "max_score")]
        row = [str(place), plain(captions.get(target, "")), "", "", *sscd, str(place + 1), plain(target)]
        scope = next(iter(found.values())).scope
        told = [cell for m in mitigations for cell in cells(found.get(m), probes)]
        table.writerow([*row, *told, scope.words or scope.kind])
    return file.getvalue().encode()


def captions_of(original: Original) -> dict[str, str]:
    """By target, of those the request carried."""
    listed = original.report.request.get("targets") or []
    named = ((target.get("id") or f"target-{n}", target.get("prompt")) for n, target in enumerate(listed, start=1))
    return {target: prompt for target, prompt in named if prompt is not None}


def headings(probes: list[str]) -> list[str]:
    """The columns of one mitigation."""
    return ["verdict", "prompt max_sscd", *(f"{probe} max_sscd" for probe in probes)]


def cells(verdict: Verdict | None, probes: list[str]) -> list[str]:
    """One mitigation's."""
    if verdict is None:
        return [""] * len(headings(probes))
    answers = [verdict.prompt, *(verdict.adversarial.get(probe) for probe in probes)]
    return [verdict.verdict, *(number(answer, "max_score") for answer in answers)]


def number(answer: Replication | None, field: str) -> str:
    """A similarity with all its digits; empty where nothing was measured."""
    return "" if answer is None else repr(float(getattr(answer, field)))


def plain(text: str) -> str:
    """A text that no spreadsheet computes: behind an apostrophe if it begins like a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text
