"""The only sweeper dies of SIGKILL, together with the messages about two audits; after a while another is started."""

import time

from api_tests.faults.trial import Fault, Recovery, Trial

AWAY_SECONDS = 3.0


def provoke(trial: Trial) -> Recovery:
    """Kill it, submit audits whose messages are lost: nothing happens until there is a sweeper again."""
    stack = trial.stack
    stack.kill("sweeper")
    stack.relay.lose(2)
    trial.submit_all()
    stack.until(lambda: stack.relay.lost == 2, "both messages to be lost")
    trial.strike()
    trial.facts["messages"] = stack.relay.lost
    time.sleep(AWAY_SECONDS)
    assert not any(unit.fence for unit in trial.units().values()), "somebody was told after all"
    stack.start("sweeper")
    trial.mend()
    return lambda: len({unit.audit_id for unit in trial.units().values() if unit.state == "done"}) == len(trial.audits)


FAULT = Fault("sweeper killed, messages lost with it", "the audits are planned", provoke, begun=False)
