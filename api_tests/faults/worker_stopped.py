"""A worker is stopped (SIGSTOP) past its lease, its unit passes to another, and it wakes: its late write is refused.

Every other try stops it when its engine has ended and only the writing is to come, so that the late write is certain.
"""

import signal

from api_tests.faults.trial import Fault, Recovery, Trial
from api_tests.record import Unit


def provoke(trial: Trial) -> Recovery:
    """Stop it, wait until another has taken its unit, let it go on."""
    stack = trial.stack
    trial.until_working()
    at_the_end = trial.number % 2 == 0
    unit = held_at_its_end(trial) if at_the_end else trial.until_held_by("worker-1")
    trial.strike()
    stack.signal("worker-1", signal.SIGSTOP)
    stack.revoke("hold")
    stack.until(lambda: trial.units()[unit.id].fence > unit.fence, "another worker to take the unit", 120)
    stack.signal("worker-1", signal.SIGCONT)
    trial.mend()
    finished = trial.done(unit)

    def refused_and_done() -> bool:
        trial.facts["late_writes"] = refusals(trial, unit)
        return finished() and (not at_the_end or trial.facts["late_writes"] == 1)

    return refused_and_done


def held_at_its_end(trial: Trial) -> Unit:
    """A unit whose engine has ended and whose result is not written yet: the worker waits for the order to go."""
    unit = trial.until_held_by("worker-1")
    trial.stack.order("hold", audit=unit.audit_id, stage=unit.stage, ordinal=unit.ordinal, fence=unit.fence)
    trial.stack.until(lambda: trial.units()[unit.id] != unit or ended(trial, unit), "its engine to end", 120)
    return unit if trial.units()[unit.id] == unit else held_at_its_end(trial)


def ended(trial: Trial, unit: Unit) -> bool:
    """Whether the engine has ended under this unit's fence."""
    return any((line["unit"], line["fence"]) == (unit.id, unit.fence) for line in trial.stack.journal("ended"))


def refusals(trial: Trial, unit: Unit) -> int:
    """How often the worker's log says that it had lost this unit."""
    lines = (trial.stack.home / "worker-1.log").read_text(errors="replace").splitlines()
    return sum(unit.id in line and "lost" in line for line in lines)


FAULT = Fault("worker stopped past its lease, then resumed", "the unit is done and the late write refused", provoke)
