"""Every message that waits in the broker, and every one that is being worked on, is delivered once more."""

import json

from api_tests.faults.trial import Fault, Recovery, Trial


def provoke(trial: Trial) -> Recovery:
    """Copy them at a moment when some wait and both workers are at work."""
    stack = trial.stack
    trial.until_working()
    stack.until(lambda: any(stack.queued().values()), "messages to wait")
    trial.strike()
    trial.facts["copies"] = copy_waiting(trial) + copy_unacknowledged(trial)
    assert trial.facts["copies"], "there was nothing to deliver twice"
    return trial.progressed


def copy_waiting(trial: Trial) -> int:
    """Those that wait in a list; how many."""
    with trial.stack.broker as broker:
        for name, messages in trial.stack.queued().items():
            for message in messages:
                broker.lpush(name, message)
    return sum(map(len, trial.stack.queued().values())) // 2


def copy_unacknowledged(trial: Trial) -> int:
    """Those that a worker has and has not acknowledged, as after a visibility timeout; how many."""
    copies = 0
    with trial.stack.broker as broker:
        for entry in broker.hvals("palimpsest:unacked"):
            message, _, queue = json.loads(entry)
            broker.lpush(f"palimpsest:{queue}", json.dumps(message))
            copies += 1
    return copies


FAULT = Fault("message delivered twice", "a unit begun after it is done", provoke)
