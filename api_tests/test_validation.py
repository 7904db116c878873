"""Bad input: a problem document with a stable code that names the field, and nothing is enqueued."""

import base64
import json
import sqlite3
import uuid
from typing import Any

import httpx
import pytest

from api_tests import asking
from api_tests.stack import Stack


def target(**changes: Any) -> dict[str, Any]:
    """A good target, with something wrong."""
    return {**asking.rows("targets", 1)[0], **changes}


NOT_AN_IMAGE = {"media_type": "image/png", "base64": base64.b64encode(b"GIF89a not a picture").decode()}
TRUNCATED = {
    "media_type": "image/png",
    "base64": base64.b64encode((asking.DEMO / "targets" / "sunflower-glossy.png").read_bytes()[:200]).decode(),
}

CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown model": ({"model": "no-such-model"}, "UNKNOWN_MODEL", "model"),
    "unknown target set": ({"targets": None, "target_set": "bundled:nothing"}, "UNKNOWN_TARGET_SET", "target_set"),
    "unknown method": ({"mitigations": [{"kind": "prayer"}]}, "UNKNOWN_METHOD", "mitigations.0"),
    "unknown parameter": ({"mitigations": [{"kind": "wanda", "sparsty": 0.1}]}, "UNKNOWN_METHOD", "mitigations.0"),
    "empty target list": ({"targets": []}, "NO_TARGETS", "targets"),
    "10,001 targets": ({"targets": [{"prompt": "x"}] * 10_001}, "TOO_MANY_TARGETS", "targets"),
    "neither prompt nor image": ({"targets": [target(prompt=None, images=[])]}, "TARGET_EMPTY", "targets.0"),
    "no image": ({"targets": [target(images=[])]}, "TARGET_WITHOUT_IMAGE", "targets.0"),
    "an image that is not an image": (
        {"targets": [target(images=[NOT_AN_IMAGE])]},
        "IMAGE_UNREADABLE",
        "targets.0.images.0",
    ),
    "a truncated image": ({"targets": [target(images=[TRUNCATED])]}, "IMAGE_UNREADABLE", "targets.0.images.0"),
    "a prompt beyond reason": ({"targets": [target(prompt="x" * 10_001)]}, "MALFORMED_REQUEST", "targets.0.prompt"),
    "an unknown field": ({"colour": "blue"}, "MALFORMED_REQUEST", "colour"),
    "the same kind twice": ({"mitigations": [{"kind": "wanda"}, {"kind": "wanda"}]}, "MALFORMED_REQUEST", ""),
    "an analysis that does not exist": ({"analyses": [{"kind": "vibes"}]}, "UNKNOWN_METHOD", "analyses.0"),
}


def audits_in(stack: Stack) -> int:
    """How many audits the ledger holds."""
    with sqlite3.connect(stack.ledger, timeout=30) as connection:
        count: int = connection.execute("SELECT count(*) FROM audits").fetchone()[0]
    return count


@pytest.mark.parametrize("case", CASES)
def test_a_refusal_names_its_field_and_enqueues_nothing(stack: Stack, case: str) -> None:
    """Every kind of bad request has its code, and the ledger is as before."""
    changes, code, field = CASES[case]
    before = audits_in(stack)
    answer = asking.submit(stack.url, asking.small_audit(**changes))
    assert 400 <= answer.status_code < 500
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["code"] == code, problem
    assert any(error["field"].startswith(field) for error in problem["errors"]), problem
    assert audits_in(stack) == before


def post(stack: Stack, content: bytes, **headers: str) -> httpx.Response:
    """A body as it is."""
    told = {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex, **headers}
    return httpx.post(f"{stack.url}/v1/audits", content=content, headers=told, timeout=60)


def test_a_nan_is_refused(stack: Stack) -> None:
    """NaN is no number an audit could be run with."""
    request = asking.small_audit(mitigations=[{"kind": "wanda", "sparsity": float("nan")}])
    before = audits_in(stack)
    answer = post(stack, json.dumps(request).encode())
    assert answer.status_code == 422
    assert answer.json()["code"] in ("MALFORMED_REQUEST", "UNKNOWN_METHOD")
    assert audits_in(stack) == before


def test_a_body_over_the_limit_is_refused(stack: Stack) -> None:
    """32 MiB is the limit, whatever the body holds."""
    answer = post(stack, b'{"model": "' + b"x" * (33 * 2**20) + b'"}')
    assert answer.status_code == 413
    assert answer.json()["code"] == "BODY_TOO_LARGE"


def test_a_missing_key_is_refused(stack: Stack) -> None:
    """An audit costs money: a submission without an Idempotency-Key is not taken."""
    answer = httpx.post(f"{stack.url}/v1/audits", json=asking.small_audit(), timeout=30)
    assert answer.json()["code"] == "IDEMPOTENCY_KEY_MISSING"


def test_a_long_prompt_is_truncated_and_the_report_says_so(stack: Stack) -> None:
    """The engine cuts as the pipeline cuts, and names the item."""
    long = target(id="long", prompt="sunflower " * 50)
    request = asking.small_audit(targets=[long], controls=[], mitigations=[], probes=[{"kind": "prompt"}])
    accepted = asking.submit(stack.url, request).json()
    asking.wait(stack.url, accepted["id"])
    said = asking.report(stack.url, accepted["id"])["limitations"]
    assert any("long" in sentence and "truncated" in sentence for sentence in said)


def test_unknown_routes_and_audits_are_problems_too(stack: Stack) -> None:
    """Nothing answers in another shape."""
    assert httpx.get(f"{stack.url}/v1/nothing").json()["code"] == "ROUTE_NOT_FOUND"
    assert httpx.get(f"{stack.url}/v1/audits/aud_nothing").json()["code"] == "AUDIT_NOT_FOUND"
    assert httpx.get(f"{stack.url}/v1/audits/aud_nothing/report").json()["code"] == "AUDIT_NOT_FOUND"
