"""The Celery process dies of SIGKILL; the child that does the work is left alone, and another worker is started."""

import os
import signal
import time
from contextlib import suppress

from api_tests.faults.trial import Fault, Recovery, Trial
from ledger.tests.servers import runs

ORPHAN_SECONDS = 60.0
"""A child without a parent may finish its unit, but must not stay."""


def provoke(trial: Trial) -> Recovery:
    """Kill the parent while its child measures; a supervisor starts another at once."""
    stack = trial.stack
    trial.until_working()
    unit = trial.until_held_by("worker-1")
    parent, child = stack.processes["worker-1"], stack.child("worker-1")
    assert child is not None
    trial.strike()
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    stack.start("worker-1")
    try:
        stack.until(lambda: not runs(child), "the child without a parent to end", ORPHAN_SECONDS)
        trial.facts["orphan_seconds"] = round(time.monotonic() - trial.struck, 1)
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    return trial.done(unit)


FAULT = Fault("worker killed -9, the parent", "the unit it had is done", provoke)
