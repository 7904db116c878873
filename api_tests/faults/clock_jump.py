"""A clock jumps by an hour while audits are in flight: that of the processes, or the database's, forth or back."""

import time

from api_tests.faults import clocks
from api_tests.faults.deployment import Setup
from api_tests.faults.trial import Fault, Recovery, Trial

HOUR = 3600
NOTICED_SECONDS = 2.0
"""A process looks at its clock's file once a second."""
CASES = (("processes", HOUR), ("database", HOUR), ("processes", -HOUR), ("database", -HOUR))


def provoke(trial: Trial) -> Recovery:
    """Set a clock; the next try begins on the time as it is."""
    stack = trial.stack
    assert isinstance(stack.postgres, clocks.FakedPostgreSQL)
    whose, seconds = CASES[trial.number % len(CASES)]
    clock = stack.home / "clock" if whose == "processes" else stack.postgres.clock
    other = stack.postgres.clock if whose == "processes" else stack.home / "clock"
    for file in (clock, other):
        clocks.set_to(file, 0)
    trial.until_working()
    trial.facts |= {"whose": whose, "seconds": seconds}
    trial.strike()
    clocks.set_to(clock, seconds)
    time.sleep(NOTICED_SECONDS)
    trial.mend()
    return trial.progressed


FAULT = Fault(
    "clock jump of an hour", "a unit begun after it is done", provoke, setup=Setup("faked clocks", faked_clocks=True)
)
