"""Hooks of schemathesis (``schemathesis.toml``): in sequences of requests, bodies that are accepted.

No schema can say which models there are or that bytes are a picture. Where a sequence begins with a valid body, it is
replaced by one of the same kind that the gateway takes, so that what follows has something to be about. Elsewhere
bodies stay as they were drawn, but for one thing: to JSON Schema 182.0 is an integer, to the gateway it is none, and
whole numbers are sent as such. The key that asks is never the one that is revoked.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from io import BytesIO
from typing import Any

import schemathesis
from PIL import Image
from schemathesis import Case, HookContext

OWN_KEY = "PALIMPSEST_ASKING_KEY"
"""The environment names the id of the key that asks."""
OTHER_KEY = "key_" + "0" * 26


def picture() -> bytes:
    """A small PNG."""
    file = BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    return file.getvalue()


def audit(drawn: Any) -> dict[str, Any]:
    """One target on the model there is; what was drawn says the seed, so that audits differ."""
    image = {"media_type": "image/png", "base64": base64.b64encode(picture()).decode()}
    targets = [{"id": "cat", "prompt": "a cat on a mat", "images": [image]}]
    seed = drawn.get("seed", 0) if isinstance(drawn, dict) else 0
    return {"model": "bundled", "targets": targets, "mitigations": [{"kind": "wanda"}], "seed": seed}


ACCEPTED: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("submit_audit", "application/json"): audit,
    ("create_webhook", "application/json"): lambda drawn: {**drawn, "url": "https://hooks.example/audits"},
    ("upload_target_set", "text/csv"): lambda drawn: "caption\na cat on a mat\n",
    ("upload_target_set", "application/x-ndjson"): lambda drawn: '{"caption": "a cat on a mat", "index": 1}\n',
}
"""By operation and media type, what is sent instead of what was drawn."""


def whole(drawn: Any) -> Any:
    """The same value; what is 182.0 somewhere in it is 182."""
    if isinstance(drawn, dict):
        return {name: whole(value) for name, value in drawn.items()}
    if isinstance(drawn, list):
        return [whole(value) for value in drawn]
    return int(drawn) if isinstance(drawn, float) and drawn.is_integer() else drawn


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Replace a valid body of a sequence; spare the key."""
    if case.path_parameters and case.path_parameters.get("key_id") == os.environ.get(OWN_KEY):
        case.path_parameters["key_id"] = OTHER_KEY
    if not case.meta or not case.meta.generation.mode.is_positive or case.media_type is None:
        return
    operation = str(case.operation.definition.raw.get("operationId"))
    accepted = ACCEPTED.get((operation, case.media_type))
    if accepted and case.meta.phase.name.value == "stateful":
        case.body = accepted(case.body)
    elif case.media_type == "application/json":
        case.body = whole(case.body)
