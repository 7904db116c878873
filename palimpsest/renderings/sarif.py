"""SARIF 2.1.0 (OASIS), for code scanning: one result a verdict.

    still_replicates   rule still-replicates   fail            error
    concealed          rule concealed          fail            error
    not_recovered      rule concealed          pass            none
    not_memorized      rule still-replicates   pass            none
    not_detected       rule still-replicates   open            none
    inconclusive       rule concealed          open            none

A finding that the request's policy tolerates is a warning; whatever it fails on is an error. A result is placed at the
weights, which are an artifact of the run with their sha256, and bears a fingerprint of its own: the same target under
the same mitigation is the same result in the next audit, whatever became of it. What was tried on a baseline has no
place among the files of the model that was made from it.
"""

import hashlib
from typing import Any

from palimpsest import __version__
from palimpsest.contract.report import Replication, Verdict
from palimpsest.renderings.judgement import judged, name_of
from palimpsest.renderings.original import Original, written

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MODEL = "MODEL"
"""The base of the paths: where the model's folder is, is not the report's to say."""

RULES = [
    {
        "id": "still-replicates",
        "name": "StillReplicates",
        "shortDescription": {"text": "A caption brings back a training image."},
        "fullDescription": {
            "text": "With its caption the model draws images that the descriptor takes for copies of the target."
        },
        "help": {"text": "docs/verdicts.md says when an image counts as replicated, and what the controls are for."},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["memorization", "copyright"]},
    },
    {
        "id": "concealed",
        "name": "Concealed",
        "shortDescription": {"text": "A training image is hidden, not gone."},
        "fullDescription": {
            "text": "The caption no longer brings the image back, but an embedding that was searched for does, and the "
            "same search on images the model has never seen does not."
        },
        "help": {"text": "Whoever has the weights can repeat the search; docs/verdicts.md says what was asked."},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["memorization", "copyright"]},
    },
]
RULE_OF = {"concealed": "concealed", "not_recovered": "concealed", "inconclusive": "concealed"}
KIND_OF = {"passed": "pass", "warned": "open", "failed": "fail"}


def render(original: Original) -> bytes:
    """The log, with one run."""
    report, model = original.report, original.audited
    paths = sorted(model.files)
    run = {
        "tool": {"driver": {"name": "Palimpsest", "semanticVersion": __version__, "rules": RULES}},
        "automationDetails": {"id": f"palimpsest/{model.id}/{report.audit_id}"},
        "originalUriBaseIds": {MODEL: {"description": {"text": f"the folder of the model {model.id}"}}},
        "artifacts": [artifact(path, model.files[path]) for path in paths],
        "invocations": [{"executionSuccessful": report.state == "succeeded", "exitCodeDescription": report.state}],
        "results": [result(original, verdict, paths) for verdict in report.verdicts],
        "properties": {
            "report_sha256": original.sha256,
            "result_digest": report.result_digest,
            "model_digest": model.digest,
            "outcome": report.summary.outcome,
            "limitations": report.limitations,
        },
    }
    return written({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def artifact(path: str, sha256: str) -> dict[str, Any]:
    """A file of the model."""
    return {"location": {"uri": path, "uriBaseId": MODEL}, "hashes": {"sha-256": sha256}}


def result(original: Original, verdict: Verdict, paths: list[str]) -> dict[str, Any]:
    """One verdict."""
    kind, level = kind_and_level(original, verdict)
    said: dict[str, Any] = {
        "ruleId": RULE_OF.get(verdict.verdict, "still-replicates"),
        "kind": kind,
        "level": level,
        "message": {"text": sentence(verdict)},
        "partialFingerprints": {"targetAndMitigation/v1": fingerprint(original, verdict)},
        "properties": {"verdict": verdict.verdict, "target": verdict.target_id, "mitigation": verdict.mitigation}
        | ({"scope": verdict.scope.model_dump(mode="json")} if verdict.scope.region else {}),
    }
    return said | {"locations": [location(paths)]} if paths and original.model_of(verdict) is original.audited else said


def kind_and_level(original: Original, verdict: Verdict) -> tuple[str, str]:
    """As the table above has it. Only a failure has a level."""
    found = judged(original.report, verdict)
    if found == "warned" and verdict.verdict in ("still_replicates", "concealed"):
        return "fail", "warning"
    return KIND_OF[found], "error" if found == "failed" else "none"


def location(paths: list[str]) -> dict[str, Any]:
    """The denoiser's weights where the model has them, otherwise its first file."""
    weights = [path for path in paths if path.startswith(("unet/", "transformer/")) and path.endswith(".safetensors")]
    path = (weights or paths)[0]
    return {
        "physicalLocation": {"artifactLocation": {"uri": path, "uriBaseId": MODEL, "index": paths.index(path)}},
    }


def fingerprint(original: Original, verdict: Verdict) -> str:
    """sha256 of model, target and mitigation, by name; the same target in a region is another result."""
    names = [original.audited.id, verdict.about, verdict.mitigation]
    return hashlib.sha256(written(names)).hexdigest()


def sentence(verdict: Verdict) -> str:
    """The verdict in words, with what it rests on."""
    seen = {"prompt": verdict.prompt, **verdict.adversarial}
    counted = [f"{probe} {hits(answer)}" for probe, answer in seen.items() if answer is not None]
    parts = [f"{name_of(verdict)}: {verdict.verdict}", ", ".join(counted), "; ".join(verdict.reasons)]
    return ". ".join(part for part in parts if part) + "."


def hits(answer: Replication) -> str:
    """``3 of 4 images replicate``"""
    return f"{answer.hits} of {len(answer.scores)} images replicate"
