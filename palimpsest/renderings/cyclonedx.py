"""CycloneDX 1.6, a bill of materials for a machine-learning model, with declarations.

Whoever mitigates a model claims that an image is gone. That is a *claim* here, one for each target and mitigation; what
the audit drew is its *evidence* or, where the image came back, its *counter-evidence*, by the digests of the pictures
and without the pictures. An inconclusive verdict is neither: the claim stands with its reasoning alone.

    declarations.claims[]          target, predicate, reasoning, evidence[], counterEvidence[]
    declarations.evidence[]        one probe of one target on one model
    declarations.attestations[]    the rows of ``mappings`` that the claims bear on, without a word on conformance
"""

import uuid
from typing import Any

from palimpsest import __version__
from palimpsest.contract.report import MitigationSummary, ModelIdentity, Rate, Replication, Verdict
from palimpsest.renderings.judgement import ABSENT, FINDINGS
from palimpsest.renderings.mappings import FRAMEWORKS, MAPPINGS
from palimpsest.renderings.original import Original, written

MODEL, BASELINE = "model", "baseline"
ASSESSOR = "assessor"


def render(original: Original) -> bytes:
    """The bill."""
    claims = [claim(original, verdict) for verdict in original.report.verdicts]
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'urn:sha256:{original.sha256}')}",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "palimpsest", "version": __version__}]},
            "component": component(original),
        },
        "components": [] if original.baseline is None else [identified(original.baseline, BASELINE)],
        "definitions": {"standards": standards()},
        "declarations": {
            "assessors": [{"bom-ref": ASSESSOR, "organization": {"name": "Palimpsest, as run by whoever audited"}}],
            "attestations": [attestation(original, [each["bom-ref"] for each in claims])],
            "claims": claims,
            "evidence": [each for verdict in original.report.verdicts for each in evidence(original, verdict)],
        },
    }
    return written(bill)


def component(original: Original) -> dict[str, Any]:
    """The model under audit, its files, and what was measured of it."""
    report, model = original.report, original.audited
    return identified(model, MODEL) | {
        "modelCard": {
            "modelParameters": {"task": "text-to-image", "architectureFamily": model.family},
            "quantitativeAnalysis": {
                "performanceMetrics": [each for row in report.summary.mitigations for each in metrics(row)]
            },
            "considerations": {"technicalLimitations": report.limitations},
        },
        "properties": [
            {"name": "palimpsest:model_digest", "value": model.digest},
            {"name": "palimpsest:audit", "value": report.audit_id},
            {"name": "palimpsest:state", "value": report.state},
            {"name": "palimpsest:outcome", "value": report.summary.outcome},
            {"name": "palimpsest:report_sha256", "value": original.sha256},
            {"name": "palimpsest:result_digest", "value": report.result_digest},
        ],
    }


def identified(model: ModelIdentity, ref: str) -> dict[str, Any]:
    """A model by its files."""
    return {
        "type": "machine-learning-model",
        "bom-ref": ref,
        "name": model.id,
        "components": [
            {
                "type": "file",
                "bom-ref": f"{ref}:{path}",
                "name": path,
                "hashes": [{"alg": "SHA-256", "content": sha256}],
            }
            for path, sha256 in sorted(model.files.items())
        ],
        "properties": [{"name": "palimpsest:model_digest", "value": model.digest}],
    }


def metrics(row: MitigationSummary) -> list[dict[str, Any]]:
    """The rates of one mitigation, with their intervals, and its drift."""
    rates = row.replication_rate
    shares = {
        "targets, before any mitigation": rates.before,
        "targets, by caption": rates.prompt,
        **{f"targets, by {probe}": rate for probe, rate in rates.adversarial.items()},
        **{f"controls, by {probe}": rate for probe, rate in rates.control.items()},
    }
    told = [share(f"{row.mitigation}: {what}", rate) for what, rate in shares.items() if rate.value is not None]
    if row.drift is not None:
        told.append({"type": "drift", "slice": f"{row.mitigation}: neutral prompts", "value": str(row.drift.value)})
    return told


def share(slice: str, rate: Rate) -> dict[str, Any]:
    """One rate."""
    interval = {"lowerBound": str(rate.low), "upperBound": str(rate.high)}
    return {"type": "share replicated", "slice": slice, "value": str(rate.value), "confidenceInterval": interval}


def claim(original: Original, verdict: Verdict) -> dict[str, Any]:
    """What is said of a mitigation, and what the audit has for it or against it."""
    refs = [each["bom-ref"] for each in evidence(original, verdict)]
    told: dict[str, Any] = {
        "bom-ref": f"claim:{place(verdict)}",
        "target": MODEL if original.model_of(verdict) is original.audited else BASELINE,
        "predicate": predicate(original, verdict),
        "reasoning": "; ".join([f"verdict: {verdict.verdict}", *verdict.reasons]),
    }
    if verdict.verdict in FINDINGS:
        told["counterEvidence"] = refs
    elif verdict.verdict in ABSENT:
        told["evidence"] = refs
    return told


def predicate(original: Original, verdict: Verdict) -> str:
    """The claim in words. Where nothing was mitigated it is that there was nothing to mitigate."""
    kinds = {each["id"]: each["kind"] for each in original.report.resolved.get("mitigations", [])}
    if kinds.get(verdict.mitigation) == "none":
        return f"The model does not hold {image(verdict)}."
    whole = image(verdict)
    return f"{whole[0].upper()}{whole[1:]} is removed by {verdict.mitigation}."


def image(verdict: Verdict) -> str:
    """What a claim is of: a training image, or no more than a region of one."""
    part = f"the {verdict.scope.words} of " if verdict.scope.region else ""
    return f"{part}the training image {verdict.target_id}"


def evidence(original: Original, verdict: Verdict) -> list[dict[str, Any]]:
    """Of the probes that bear on the claim: those that replicate against it, or all that do not for it."""
    if verdict.verdict not in FINDINGS + ABSENT:
        return []
    after = {"prompt": verdict.prompt, **verdict.adversarial}
    answers = {probe: answer for probe, answer in after.items() if answer is not None}
    against = verdict.verdict in FINDINGS
    return [
        probed(original, verdict, probe, answer) for probe, answer in answers.items() if answer.replicates is against
    ]


def probed(original: Original, verdict: Verdict, probe: str, answer: Replication) -> dict[str, Any]:
    """One probe."""
    threshold = threshold_of(original, verdict)
    told: dict[str, Any] = {
        "bom-ref": f"evidence:{place(verdict)}:{probe}",
        "propertyName": "recovered image" if answer.replicates else "images without a copy",
        "description": f"{probe}: {answer.hits} of {len(answer.scores)} images replicate, "
        f"best similarity {answer.max_score} where {threshold} is a copy",
    }
    if answer.replicates and answer.images:
        told["data"] = [picture(digest) for digest in answer.images]
    return told


def threshold_of(original: Original, verdict: Verdict) -> float:
    """The descriptor's, or that of the target's region."""
    report, here = original.report, [verdict.target_id] if verdict.scope.region else []
    fixed = [judge.threshold for judge in report.regions if judge.role == "target" and judge.item_id in here]
    return fixed[0] if fixed else next(judge.threshold for judge in report.judges if judge.kind == "sscd")


def picture(digest: str) -> dict[str, Any]:
    """A picture that was drawn, by its digest; it is kept by the service and handed out to nobody by this file."""
    return {
        "name": "drawn image",
        "contents": {"url": f"urn:sha256:{digest}"},
        "classification": "restricted",
        "sensitiveData": ["may reproduce a training image"],
    }


def place(verdict: Verdict) -> str:
    """Where a verdict stands; neither mitigations nor targets have a colon in their ids."""
    return f"{verdict.mitigation}:{verdict.target_id}"


def standards() -> list[dict[str, Any]]:
    """The documents of ``mappings`` as requirements, in this project's words."""
    return [
        {
            "bom-ref": f"standard:{framework}",
            "name": framework,
            "owner": owner,
            "version": version,
            "requirements": [
                {
                    "bom-ref": f"requirement:{mapping.ref}",
                    "identifier": mapping.ref,
                    "title": mapping.about,
                    "descriptions": [f"What a report brings to it: {mapping.evidence}."],
                }
                for mapping in MAPPINGS
                if mapping.framework == framework
            ],
        }
        for framework, (owner, version) in FRAMEWORKS.items()
    ]


def attestation(original: Original, claims: list[str]) -> dict[str, Any]:
    """Which claims bear on which requirement; whether one is met is not said."""
    report = original.report
    return {
        "summary": f"{report.summary.targets} targets, {report.summary.controls} controls: {report.summary.outcome}",
        "assessor": ASSESSOR,
        "map": [
            {"requirement": f"requirement:{mapping.ref}"} | ({"claims": claims} if mapping.of_targets else {})
            for mapping in MAPPINGS
        ],
    }
