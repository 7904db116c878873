"""Redis takes connections and answers nothing for half a minute. Audits can be submitted all the same."""

import time

from api_tests.faults import asked
from api_tests.faults.trial import Fault, Recovery, Trial

SECONDS = 30.0
SHORT_SECONDS = 8.0
POST_SECONDS = 5.0
POSTS = 4


def provoke(trial: Trial) -> Recovery:
    """Freeze it, submit audits meanwhile, thaw it."""
    stack = trial.stack
    trial.until_working()
    seconds = SECONDS if trial.full else SHORT_SECONDS
    trial.strike()
    done = sum(unit.state == "done" for unit in trial.before.values())
    stack.redis.freeze()
    try:
        for n in range(POSTS):
            post(trial, seed=1 + n % 2)
            time.sleep(max(0.0, trial.struck + seconds * (n + 1) / POSTS - time.monotonic()))
    finally:
        trial.facts["units_done_meanwhile"] = sum(unit.state == "done" for unit in trial.units().values()) - done
        stack.redis.thaw()
    trial.mend()
    return trial.progressed


def post(trial: Trial, seed: int) -> None:
    """Submit: answered in five seconds, with a durable 202 or a 503."""
    began = time.monotonic()
    answer = asked.post(trial.stack.url, seed)
    took = time.monotonic() - began
    trial.facts["post_seconds"] = round(max(took, trial.facts.get("post_seconds", 0.0)), 3)
    trial.facts[f"answers_{answer.status_code}"] = trial.facts.get(f"answers_{answer.status_code}", 0) + 1
    assert took < POST_SECONDS, f"POST took {took:.1f} s"
    assert answer.status_code in (202, 503), answer.text
    if answer.status_code == 202:
        trial.accepted(answer.json()["id"], seed)


FAULT = Fault("Redis frozen for 30 s", "a unit begun after it is done", provoke)
