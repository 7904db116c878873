"""The gateway dies between the commit of an audit and the message about it.

The wire to the broker is cut, so that the gateway hangs in the publishing that follows the commit; there it is killed.
The message's row is still in the outbox then, and nothing about the audit has reached the broker.
"""

import signal

from api_tests.faults.trial import Fault, Recovery, Trial

MOST_POSTS = 10


def provoke(trial: Trial) -> Recovery:
    """Kill it there, mend the wire, start another."""
    stack = trial.stack
    trial.until_working()
    stack.signal("sweeper", signal.SIGSTOP)
    stack.relay.hold()
    try:
        audit = unpublished_audit(trial)
    finally:
        stack.relay.release()
        stack.signal("sweeper", signal.SIGCONT)
    stack.start("gateway")
    stack.wait_until_ready()
    trial.mend()
    return lambda: any(unit.audit_id == audit and unit.state == "done" for unit in trial.units().values())


def unpublished_audit(trial: Trial) -> str:
    """An audit whose gateway was killed before it could say so. A worker may publish its row first: then once more."""
    for _ in range(MOST_POSTS):
        audit = trial.submit(seed=1)
        until_claimed_or_gone(trial, audit)
        if trial.stack.record.unpublished(audit) and still_unpublished_when_killed(trial, audit):
            return audit
    raise AssertionError(f"a worker published every one of {MOST_POSTS} audits before the gateway could be killed")


def until_claimed_or_gone(trial: Trial, audit: str) -> None:
    """Until the row about the audit is being published, or has been."""

    def taken() -> bool:
        return all(row["claimed_until"] is not None for row in trial.stack.record.unpublished(audit))

    trial.stack.until(taken, "somebody to take the row", 10)


def still_unpublished_when_killed(trial: Trial, audit: str) -> bool:
    """Kill the gateway; whether the row is there all the same. If not, another gateway is started."""
    stack = trial.stack
    trial.strike()
    stack.kill("gateway")
    if stack.record.unpublished(audit):
        trial.facts["unpublished_rows"] = 1
        return True
    stack.start("gateway")
    stack.wait_until_ready()
    return False


FAULT = Fault("gateway killed between commit and publish", "the audit is planned", provoke)
