"""Which files replay a recovery: read from the report and from what the embedding's file says of itself.

Knows no number format but safetensors' beginning: eight bytes of length, little-endian, then that much JSON.
"""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from palimpsest.contract.report import WHOLE, AuditReport, Replication, Scope

KEY = "recovery"
"""Of the metadata that the worker writes (``worker/engine/recovery.py``)."""

EMBEDDING, EDIT, REFERENCE = "embedding.safetensors", "edit", "reference"
"""Under which the files are written down."""


@dataclass(frozen=True)
class Chosen:
    """One recovery of a report: under which mitigation, by which probe, and what was seen."""

    mitigation: str
    verdict: str
    probe: str
    seen: Replication
    scope: Scope = WHOLE


class Asked(Protocol):
    """Where a report and the files it names can be had."""

    def report(self, audit_id: str, /) -> AuditReport:
        """The report of an audit that has ended."""

    def evidence(self, audit_id: str, digest: str, /) -> bytes:
        """A file that an audit kept."""


@dataclass(frozen=True)
class Fetched:
    """The files that replay a recovery, by name; ``model`` is the id of the model it was found on."""

    sentence: str
    model: str
    files: dict[str, bytes]

    def command(self, folder: Path) -> str:
        """What draws the picture again, where the model is; what is not among the files is left to be filled in."""
        given = {name: shlex.quote(str(folder / name)) for name in self.files}
        references = [path for name, path in given.items() if name.startswith(REFERENCE)]
        words = [
            f"python -m worker.replay --model FOLDER_OF_{self.model}",
            f"--embedding {given[EMBEDDING]}",
            *([f"--edit {given[EDIT]}"] if EDIT in given else []),
            f"--reference {' '.join(references) or 'PICTURE_OF_THE_TARGET'}",
            f"--output {shlex.quote(str(folder / 'replay.png'))}",
        ]
        return " ".join(words)


def fetch(client: Asked, audit_id: str, target: str, mitigation: str | None, probe: str | None) -> Fetched:
    """The embedding, the edit it was found under and the target's own images. Raises LookupError with a sentence."""
    report = client.report(audit_id)
    chosen = choose(report, target, mitigation, probe)
    embedding = client.evidence(audit_id, chosen.seen.embedding or "")
    said = said_in(embedding)
    files = {EMBEDDING: embedding}
    if said["edit"]:
        files[EDIT] = client.evidence(audit_id, said["edit"])
    for n, digest in enumerate(references(report, target), start=1):
        files[f"{REFERENCE}-{n}"] = client.evidence(audit_id, digest)
    came = "came back" if chosen.seen.replicates else "did not come back"
    came += f" in the {chosen.scope.words}, of which alone is spoken," if chosen.scope.region else ""
    sentence = (
        f"{target} {came} under {chosen.mitigation} by {chosen.probe}: {chosen.seen.hits} of "
        f"{len(chosen.seen.scores)} pictures are copies, the nearest with similarity {chosen.seen.max_score:g}; "
        f"found on the model of digest {said['model']}"
    )
    return Fetched(sentence, model_of(report, said["model"]), files)


def choose(report: AuditReport, target: str, mitigation: str | None, probe: str | None) -> Chosen:
    """The recovery that is meant: of a concealed target if there is one, then one that replicates, then the nearest.

    Raises LookupError with a sentence when the report has none.
    """
    cells = [verdict for verdict in report.verdicts if verdict.target_id == target]
    if not cells:
        raise LookupError(f"the report has no target {target}")
    found = [
        Chosen(cell.mitigation, cell.verdict, name, seen, cell.scope)
        for cell in cells
        for name, seen in cell.adversarial.items()
        if mitigation in (None, cell.mitigation) and probe in (None, name) and seen.embedding is not None
    ]
    if not found:
        raise LookupError(f"no embedding was kept of {target}" + told(mitigation, probe))
    return max(found, key=lambda c: (c.verdict == "concealed", c.seen.replicates, c.seen.max_score))


def told(mitigation: str | None, probe: str | None) -> str:
    """What the choice was narrowed to."""
    return (f" under {mitigation}" if mitigation else "") + (f" by {probe}" if probe else "")


def said_in(embedding: bytes) -> dict[str, Any]:
    """What the file says its pictures were drawn from. Raises LookupError for one of before that was written down."""
    try:
        length = int.from_bytes(embedding[:8], "little")
        return dict(json.loads(json.loads(embedding[8 : 8 + length])["__metadata__"][KEY]))
    except (KeyError, TypeError, ValueError) as error:
        raise LookupError("the embedding's file does not say what its pictures were drawn from; audit again") from error


def references(report: AuditReport, target: str) -> list[str]:
    """Digests of the target's images where they came with the request, or of what stood in for them.

    None where they are of a registered set.
    """
    stand_ins = [said.picture for said in report.references if said.target_id == target and said.picture is not None]
    if stand_ins:
        return stand_ins
    listed = report.request.get("targets") or []
    named = {row.get("id") or f"target-{n}": row for n, row in enumerate(listed, start=1)}
    return [image["sha256"] for image in named.get(target, {}).get("images") or []]


def model_of(report: AuditReport, digest: str) -> str:
    """The id under which the model of this digest was audited."""
    return next((model.id for model in report.models if model.digest == digest), "the_model")
