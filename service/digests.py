"""When two requests are the same: for the key they were sent under, and for the answer they would get."""

import hashlib
import json
from typing import Any

from ledger.intake import ENDPOINT
from palimpsest.contract.catalogue import ModelCard

BESIDES = ("labels", "force_new", "sets")
"""What does not change the answer."""


def fingerprint(recorded: dict[str, Any]) -> str:
    """Of method, path and the whole request; an Idempotency-Key stands for one of these."""
    return _sha256([ENDPOINT, recorded])


def request_digest(recorded: dict[str, Any], card: ModelCard, engine: str, *, baseline: ModelCard | None = None) -> str:
    """Of what the answer depends on: the request, the models' weights and the engine, not their names alone."""
    asked = {field: value for field, value in recorded.items() if field not in BESIDES}
    pinned = {} if baseline is None else {"baseline_digest": baseline.digest}
    return _sha256({"request": asked, "model_digest": card.digest, **pinned, "engine": engine})


def _sha256(values: Any) -> str:
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
