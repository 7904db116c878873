"""Messages vanish in the broker: those about new audits while nobody is at work, or all that wait while everybody is.

A worker at work takes unit after unit without being told of each; so the first kind is the one that hurts.
"""

from api_tests.faults.trial import Fault, Recovery, Trial


def provoke(trial: Trial) -> Recovery:
    """Every other try loses the messages about both audits, the others what waits in mid-work."""
    return nobody_told(trial) if trial.number % 2 == 0 else emptied(trial)


def nobody_told(trial: Trial) -> Recovery:
    """The broker acknowledges the messages about the audits and has not got them: only the ledger knows of them."""
    stack = trial.stack
    stack.relay.lose(2)
    trial.submit_all()
    stack.until(lambda: stack.relay.lost == 2 and not unpublished(trial), "both messages to be lost")
    trial.strike()
    trial.facts["messages"] = stack.relay.lost
    return lambda: len({unit.audit_id for unit in trial.units().values() if unit.state == "done"}) == len(trial.audits)


def unpublished(trial: Trial) -> bool:
    """Whether a message is still to be sent, as far as the ledger knows."""
    return any(trial.stack.record.unpublished(audit) for audit in trial.audits)


def emptied(trial: Trial) -> Recovery:
    """What waits in the broker is deleted; the units it was about are done all the same."""
    stack = trial.stack
    trial.submit_all()
    trial.until_working()
    stack.until(lambda: any(stack.queued().values()), "messages to wait")
    trial.strike()
    waiting = stack.queued()
    with stack.broker as broker:
        broker.delete("palimpsest:nothing", *waiting)
    trial.facts["messages"] = sum(map(len, waiting.values()))
    return trial.done(*(unit for unit in trial.units().values() if unit.state == "queued"))


FAULT = Fault("message lost", "the audits are planned, or the units that waited are done", provoke, begun=False)
