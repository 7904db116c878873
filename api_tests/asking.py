"""Small audits of the bundled model, and the patience to see them end."""

import base64
import json
import time
import uuid
from pathlib import Path
from typing import Any

import httpx

DEMO = Path(__file__).resolve().parent.parent / "worker" / "demo"
TERMINAL = {"succeeded", "failed", "cancelled", "expired"}


def rows(name: str, most: int) -> list[dict[str, Any]]:
    """The first rows of a bundled set as inline targets."""
    listed = [json.loads(line) for line in (DEMO / f"{name}.jsonl").read_text().splitlines()[:most]]
    return [{"id": row["id"], "prompt": row["prompt"], "images": [image(DEMO / row["image"])]} for row in listed]


def image(path: Path) -> dict[str, str]:
    """An inline picture."""
    return {"media_type": "image/png", "base64": base64.b64encode(path.read_bytes()).decode()}


def small_audit(**changes: Any) -> dict[str, Any]:
    """Three targets, three controls, both pruning methods, a short search: seconds a unit."""
    return {
        "model": "bundled",
        "targets": rows("targets", 3),
        "controls": rows("controls", 3),
        "mitigations": [{"kind": "nemo", "seeds": 2, "refine": False}, {"kind": "wanda", "sparsity": 0.05}],
        "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 12}],
        "effort": "quick",
        **changes,
    }


def submit(url: str, request: dict[str, Any], key: str | None = None) -> httpx.Response:
    """POST /v1/audits with a fresh idempotency key unless one is given."""
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    return httpx.post(f"{url}/v1/audits", json=request, headers=headers, timeout=30)


def wait(url: str, audit_id: str, seconds: float = 600) -> dict[str, Any]:
    """Poll until the audit has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status: dict[str, Any] = httpx.get(f"{url}/v1/audits/{audit_id}", timeout=30).json()
        if status["state"] in TERMINAL:
            return status
        time.sleep(0.5)
    raise AssertionError(f"{audit_id} has not ended after {seconds} s: {status}")


def report(url: str, audit_id: str) -> dict[str, Any]:
    """The report of an audit that has ended."""
    answer = httpx.get(f"{url}/v1/audits/{audit_id}/report", timeout=30)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body
