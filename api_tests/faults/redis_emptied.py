"""Redis dies of SIGKILL and comes back with nothing in it."""

from api_tests.faults.trial import Fault, Recovery, Trial


def provoke(trial: Trial) -> Recovery:
    """Kill it while messages wait in it, and start it again."""
    stack = trial.stack
    trial.until_working()
    trial.facts["messages"] = sum(map(len, stack.queued().values()))
    trial.strike()
    stack.redis.kill()
    stack.redis.start()
    trial.mend()
    return trial.progressed


FAULT = Fault("Redis killed and restarted empty", "a unit begun after it is done", provoke)
