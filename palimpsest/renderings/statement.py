"""in-toto statements: what is said of a model, with the digests of the files it is said of.

https://github.com/in-toto/attestation, spec v1. The subject is the model under audit, file by file under its path, as
OpenSSF's model signing has it, so that a verifier can join on digests. A model whose files are not named is one
subject, with its own digest under an algorithm of its own name, since no file has it.
"""

from typing import Any

from palimpsest.renderings.original import MEDIA_TYPE, NAME, Original

TYPE = "https://in-toto.io/Statement/v1"
WHOLE_MODEL = "palimpsestModel"


class NothingToState(Exception):
    """The audit ended before its model was read: there is no subject."""


def statement(original: Original, predicate_type: str, predicate: dict[str, Any]) -> dict[str, Any]:
    """The statement of a predicate. Raises NothingToState."""
    return {
        "_type": TYPE,
        "subject": subjects(original),
        "predicateType": predicate_type,
        "predicate": predicate,
    }


def subjects(original: Original) -> list[dict[str, Any]]:
    """The files of the model under audit, or the model as a whole. Raises NothingToState."""
    model = original.audited
    if model.files:
        return [{"name": path, "digest": {"sha256": sha256}} for path, sha256 in sorted(model.files.items())]
    if model.digest:
        return [{"name": model.id, "digest": {WHOLE_MODEL: model.digest}}]
    raise NothingToState


def report_descriptor(original: Original) -> dict[str, Any]:
    """The report as a resource that a statement refers to."""
    return {"name": NAME, "digest": {"sha256": original.sha256}, "mediaType": MEDIA_TYPE}
