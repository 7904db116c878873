"""What every measurement of scaling does: wait for workers, submit, wait for the end, read the times in the ledger."""

import uuid
from collections import Counter
from typing import Any

import httpx
from redis import Redis as RedisClient

from api_tests.deployment import Deployment
from api_tests.record import TERMINAL
from api_tests.scaling.timeline import Span, timeline


def until_listening(stack: Deployment) -> None:
    """Until as many connections wait for a message as there are workers."""

    def listening() -> bool:
        with RedisClient(port=stack.redis.port) as broker:
            waiting = [client for client in broker.client_list() if client["cmd"] == "brpop"]
            return len(waiting) >= stack.workers

    stack.until(listening, f"{stack.workers} workers to listen", 600)


def submit(stack: Deployment, request: dict[str, Any]) -> str:
    """POST; the audit's id."""
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    answer = httpx.post(f"{stack.url}/v1/audits", json=request, headers=headers, timeout=600)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def until_ended(stack: Deployment, audit: str, *, seconds: float) -> None:
    """Wait for its terminal state."""
    stack.until(lambda: stack.record.audits([audit]).get(audit) in TERMINAL, f"{audit} to end", seconds)


def row(stack: Deployment, audit: str) -> dict[str, Any]:
    """The times of an audit that has succeeded, from the ledger."""
    [found] = stack.record.rows("SELECT state, created_at, finished_at, result_digest FROM audits WHERE id = %s", audit)
    assert found["state"] == "succeeded", found
    units = stack.record.rows("SELECT * FROM units WHERE audit_id = %s", audit)
    spans = [
        Span(unit["stage"], unit["owner"], unit["queued_at"], unit["leased_at"], unit["finished_at"]) for unit in units
    ]
    times = timeline(spans, stack.workers, found["created_at"], found["finished_at"])
    return {
        "workers": stack.workers,
        "wall_seconds": round(times.wall, 3),
        "result_digest": found["result_digest"],
        "units": len(units),
        "units_by_kind": dict(Counter(unit["kind"] for unit in units)),
        "seconds_by_kind": {
            kind: round(sum(u["finished_at"] - u["leased_at"] for u in units if u["kind"] == kind) / count, 3)
            for kind, count in Counter(unit["kind"] for unit in units).items()
        },
        "stages": {
            name: {key: round(value, 4) for key, value in vars(of).items()} for name, of in times.stages.items()
        },
    }
