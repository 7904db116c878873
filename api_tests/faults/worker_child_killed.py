"""The process that does the work dies of SIGKILL in the middle of a unit; Celery starts another."""

import os
import signal

from api_tests.faults.trial import Fault, Recovery, Trial


def provoke(trial: Trial) -> Recovery:
    """Kill the child while it measures."""
    trial.until_working()
    unit = trial.until_held_by("worker-1")
    child = trial.stack.child("worker-1")
    assert child is not None
    trial.strike()
    os.kill(child, signal.SIGKILL)
    return trial.done(unit)


FAULT = Fault("worker killed -9, the child", "the unit it had is done", provoke)
