"""What an audit of 10 to 10,000 targets costs before its first unit is measured, and what the gateway keeps of it.

Targets are named by a registered set, or sent along, each with a picture of its own. The audit is cancelled once it is
planned.
"""

import json
import os
import statistics
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from api_tests import deployment, tiny_model
from api_tests.faults.asked import picture
from api_tests.record import TERMINAL
from api_tests.scaling import measuring

SIZES = (10, 100, 1_000, 10_000)
REPEATS = 3
POLLS = 20


@dataclass
class Deployment(deployment.Deployment):
    """One worker that offers a tiny model with sets of every size."""

    workers: int = 1

    def begin(self) -> None:
        """Also make the model and its sets."""
        tiny_model.write(self.home / "tiny")
        write_sets(self.home / "tiny")
        super().begin()

    def _environment(self, name: str) -> dict[str, str]:
        return {**super()._environment(name), **tiny_model.environment(self.home / "tiny")}


def write_sets(tiny: Path) -> None:
    """Sets of so many rows; their pictures are the three there are."""
    rows = [json.loads(line) for line in (tiny / "targets.jsonl").read_text().splitlines()]
    stated = json.loads((tiny / "registration.json").read_text())
    for size in SIZES:
        lines = [json.dumps({**rows[n % len(rows)], "id": f"row-{n}"}) for n in range(size)]
        (tiny / f"{size}.jsonl").write_text("\n".join(lines) + "\n")
        stated["target_sets"].append({"id": f"tiny:{size}", "title": f"{size} rows", "rows": f"{size}.jsonl"})
    (tiny / "registration.json").write_text(json.dumps(stated))


def request(how: str, size: int) -> dict[str, Any]:
    """An audit of so many targets, named or sent along."""
    listed = [{"id": f"row-{n}", "prompt": f"a red fox {n}", "images": [picture(f"{size}-{n}")]} for n in range(size)]
    source = {"target_set": f"tiny:{size}"} if how == "named" else {"targets": listed}
    mitigations = [{"kind": "nemo"}, {"kind": "wanda"}]
    return {"model": "tiny", **source, "mitigations": mitigations, "effort": "quick", "force_new": True}


def measure() -> Iterator[dict[str, Any]]:
    """A raw row for every size and way, as often as it is repeated."""
    with closing(Deployment.open()) as stack:
        measuring.until_listening(stack)
        for how in ("named", "inline"):
            for size in SIZES:
                body = json.dumps(request(how, size)).encode()
                for repeat in range(REPEATS):
                    yield {"how": how, "targets": size, "repeat": repeat, **one(stack, body)}


def one(stack: Deployment, body: bytes) -> dict[str, Any]:
    """Submit, wait for the plan, poll, cancel."""
    before = resident(stack)
    headers = {"Idempotency-Key": uuid.uuid4().hex, "Content-Type": "application/json"}
    began = time.monotonic()
    answer = httpx.post(f"{stack.url}/v1/audits", content=body, headers=headers, timeout=600)
    posted = time.monotonic() - began
    assert answer.status_code == 202, answer.text
    audit = answer.json()["id"]
    plan = planned(stack, audit)
    polls = [poll(stack, audit) for _ in range(POLLS)]
    rows = counted(stack, audit)
    cancelling = time.monotonic()
    httpx.post(f"{stack.url}/v1/audits/{audit}/cancel", timeout=600).raise_for_status()
    cancelled = time.monotonic() - cancelling
    stack.until(lambda: stack.record.audits([audit]).get(audit) in TERMINAL, f"{audit} to end", 600)
    return {
        "body_bytes": len(body),
        "post_seconds": round(posted, 4),
        "plan_seconds": round(plan, 4),
        "status_seconds": round(statistics.median(polls), 5),
        "cancel_seconds": round(cancelled, 4),
        "rows": rows,
        "gateway_bytes_before": before,
        "gateway_bytes": resident(stack),
    }


def planned(stack: Deployment, audit: str) -> float:
    """Seconds the planning unit was held, once it is done."""

    def plans() -> list[dict[str, Any]]:
        return stack.record.rows(
            "SELECT finished_at - leased_at AS held FROM units"
            " WHERE audit_id = %s AND kind = 'plan' AND state = 'done'",
            audit,
        )

    stack.until(lambda: bool(plans()), f"{audit} to be planned", 600)
    return float(plans()[0]["held"])


def poll(stack: Deployment, audit: str) -> float:
    """Seconds of one look at the status."""
    began = time.monotonic()
    httpx.get(f"{stack.url}/v1/audits/{audit}", timeout=60).raise_for_status()
    return time.monotonic() - began


def counted(stack: Deployment, audit: str) -> dict[str, int]:
    """Rows about the audit, by table."""
    [found] = stack.record.rows(
        "SELECT (SELECT count(*) FROM units WHERE audit_id = a.id) AS units,"
        " (SELECT count(*) FROM stages WHERE audit_id = a.id) AS stages,"
        " (SELECT count(*) FROM events WHERE audit_id = a.id) AS events FROM audits a WHERE a.id = %s",
        audit,
    )
    return {name: int(count) for name, count in found.items()}


def resident(stack: Deployment) -> int:
    """Bytes of memory the gateway has."""
    pages = int(Path(f"/proc/{stack.processes['gateway'].pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
