"""Verifying what was signed, without a network: the signature, then that report and model are those it is of."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from palimpsest.errors import NotVerified
from palimpsest.renderings import dsse, in_toto_test_result, memorization_audit
from palimpsest.renderings.original import NAME
from palimpsest.renderings.statement import TYPE

BLOCK_BYTES = 2**24


@dataclass(frozen=True)
class Attested:
    """A statement whose signature holds."""

    statement: dict[str, Any]

    @property
    def files(self) -> dict[str, str]:
        """sha256 by path of the files that the statement is about."""
        return {
            each["name"]: each["digest"]["sha256"] for each in self.statement["subject"] if "sha256" in each["digest"]
        }

    @property
    def report(self) -> str:
        """sha256 of the report that the statement was made of."""
        predicate = self.statement["predicate"]
        named = [predicate["report"]] if "report" in predicate else predicate["configuration"]
        return str(next(each["digest"]["sha256"] for each in named if each["name"] == NAME))

    @property
    def sentence(self) -> str:
        """What it says, in a sentence."""
        predicate = self.statement["predicate"]
        if self.statement["predicateType"] == in_toto_test_result.PREDICATE_TYPE:
            counts = ", ".join(f"{len(predicate[f'{word}Tests'])} {word}" for word in ("passed", "warned", "failed"))
            return f"test result {predicate['result']}: {counts}"
        audited = next(model["id"] for model in predicate["models"] if model["role"] == "audited")
        audit = predicate["audit"]
        return f"audit {audit['id']} of {audited}, which {audit['state']}: {predicate['outcome']}"


def attested(envelope: bytes, keys: Sequence[Ed25519PublicKey]) -> Attested:
    """The statement in an envelope. Raises NotVerified unless one of the keys has signed it and it is one of ours."""
    payload = dsse.verified(envelope, keys)
    try:
        found = Attested(json.loads(payload))
        known = found.statement["predicateType"] in (
            in_toto_test_result.PREDICATE_TYPE,
            memorization_audit.PREDICATE_TYPE,
        )
        if not known or found.statement["_type"] != TYPE:
            raise NotVerified("the signature holds, but what was signed is no statement of this kind")
        _ = found.files, found.report, found.sentence
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration) as error:
        raise NotVerified("the signature holds, but what was signed cannot be read") from error
    return found


def require_report(found: Attested, content: bytes) -> None:
    """Raise NotVerified unless the statement was made of this very report."""
    if hashlib.sha256(content).hexdigest() != found.report:
        raise NotVerified("the statement was made of another report")


def require_model(found: Attested, folder: Path) -> None:
    """Raise NotVerified unless the folder holds every file that the statement is about, unchanged."""
    if not found.files:
        raise NotVerified("the statement names no files of its model")
    for path, sha256 in found.files.items():
        if sha256_of(folder, path) != sha256:
            raise NotVerified(f"{path} is not the file that was audited")


def sha256_of(folder: Path, path: str) -> str | None:
    """Of one file; None where there is none, or where the path leads out of the folder."""
    file = folder / path
    if not file.resolve().is_relative_to(folder.resolve()) or not file.is_file():
        return None
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
