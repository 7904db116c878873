"""The audits of a try: ten small pictures and a control, so that most stages have two units of about a second."""

import base64
import io
import random
import uuid
from typing import Any

import httpx
from PIL import Image

TARGETS, CONTROLS = 10, 1
"""The control is in the second unit of every stage; the first can fail without a control being missed."""
SIDE = 32


def picture(seed: str) -> dict[str, str]:
    """Four by four random colours, enlarged."""
    coarse = Image.frombytes("RGB", (4, 4), random.Random(seed).randbytes(48))
    buffer = io.BytesIO()
    coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return {"media_type": "image/png", "base64": base64.b64encode(buffer.getvalue()).decode()}


def request(seed: int) -> dict[str, Any]:
    """One audit of the tiny model; equal seeds are equal audits."""

    def listed(role: str, count: int, noun: str) -> list[dict[str, Any]]:
        names = [f"{role}-{n}" for n in range(count)]
        return [{"id": name, "prompt": f"a {noun} {n}", "images": [picture(name)]} for n, name in enumerate(names)]

    return {
        "model": "tiny",
        "targets": listed("target", TARGETS, "red fox"),
        "controls": listed("control", CONTROLS, "green lamp"),
        "mitigations": [{"kind": "nemo", "seeds": 2, "refine": False}, {"kind": "wanda", "sparsity": 0.1}],
        "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 10}],
        "effort": "quick",
        "seed": seed,
        "force_new": True,
    }


def post(url: str, seed: int, key: str | None = None, timeout: float = 30) -> httpx.Response:
    """Submit it, under a fresh key unless one is given."""
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    return httpx.post(f"{url}/v1/audits", json=request(seed), headers=headers, timeout=timeout)


def report(url: str, audit: str) -> dict[str, Any]:
    """The report of an audit that has ended."""
    answer = httpx.get(f"{url}/v1/audits/{audit}/report", timeout=30)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body
