"""An audit of 64 targets by the real engine, with one worker and with two, each on one core."""

from contextlib import closing
from typing import Any

from api_tests import asking
from api_tests.deployment import Deployment
from api_tests.scaling import measuring

TARGETS = CONTROLS = 64
ENVIRONMENT = {"PALIMPSEST_THREADS": "1"}


def request() -> dict[str, Any]:
    """The 32 targets of the bundled model and 32 unseen images, as many controls, both methods, short searches."""
    return asking.small_audit(
        targets=[*asking.rows("targets", 32), *asking.rows("unseen", TARGETS - 32)],
        controls=asking.rows("controls", CONTROLS),
        force_new=True,
    )


def measure(workers: int) -> dict[str, Any]:
    """One run; its raw row."""
    with closing(Deployment.open(module="worker.app", workers=workers, environment=ENVIRONMENT)) as stack:
        measuring.until_listening(stack)
        audit = measuring.submit(stack, request())
        measuring.until_ended(stack, audit, seconds=5400)
        return measuring.row(stack, audit)
