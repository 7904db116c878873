"""PostgreSQL goes away in the middle of everything and comes back: in good order, or by SIGKILL and crash recovery."""

from api_tests.faults.trial import Fault, Recovery, Trial


def provoke(trial: Trial) -> Recovery:
    """Stop or kill it while both workers measure, and start it again."""
    stack = trial.stack
    trial.until_working()
    in_good_order = trial.number % 2 == 0
    trial.facts["by"] = "stop" if in_good_order else "kill"
    trial.strike()
    if in_good_order:
        stack.postgres.stop()
    else:
        stack.postgres.kill()
    stack.postgres.start()
    trial.mend()
    return trial.progressed


FAULT = Fault("PostgreSQL restarted", "a unit begun after it is done", provoke)
