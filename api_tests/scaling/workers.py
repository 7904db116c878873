"""One to sixteen workers whose engine sleeps as long as a unit takes: what the queue costs, how well it shares out."""

import json
from contextlib import closing
from typing import Any

from api_tests.deployment import Deployment
from api_tests.scaling import measuring
from api_tests.scaling.stand_ins import MODEL

WORKERS = (1, 2, 4, 8, 16)
MODULE = "api_tests.scaling.worker"


def request(workers: int) -> dict[str, Any]:
    """Twelve units a worker, in three stages that can be shared out, and two mitigations that cannot."""
    return {
        "model": MODEL,
        "target_set": f"{MODEL}:{4 * workers}",
        "mitigations": [{"kind": "nemo"}, {"kind": "wanda"}],
        "probes": [{"kind": "prompt"}],
        "effort": "quick",
        "force_new": True,
    }


def measure(workers: int, sleeps: dict[str, float]) -> dict[str, Any]:
    """One run; its raw row."""
    environment = {"SLEEPS": json.dumps(sleeps), "PALIMPSEST_FAMILIES": json.dumps([MODEL])}
    with closing(Deployment.open(module=MODULE, workers=workers, environment=environment)) as stack:
        measuring.until_listening(stack)
        audit = measuring.submit(stack, request(workers))
        measuring.until_ended(stack, audit, seconds=3600)
        row = measuring.row(stack, audit)
    work = sum(sleeps[kind] * count for kind, count in row["units_by_kind"].items())
    return {
        **row,
        "sleeps": sleeps,
        "work_seconds": round(work, 3),
        "efficiency": round(work / workers / row["wall_seconds"], 4),
    }
