"""The disk that holds the evidence is full for a while: nothing can be written, what is there can be read.

The evidence of these tests lies on a file system of its own, which only root can mount.
"""

import errno
import os
import time
from pathlib import Path

from api_tests.faults import asked
from api_tests.faults.trial import Fault, Recovery, Trial

SECONDS = 20.0
SHORT_SECONDS = 6.0
BLOCK = 2**20


def provoke(trial: Trial) -> Recovery:
    """Fill it, submit an audit meanwhile, make room again."""
    stack = trial.stack
    assert stack.mounted, "a full disk needs a file system that can be filled: run this as root, with leave to mount"
    trial.until_working()
    ballast = stack.evidence / "ballast"
    seconds = SECONDS if trial.full else SHORT_SECONDS
    trial.strike()
    fill(ballast)
    try:
        answer = asked.post(stack.url, seed=1)
        trial.facts[f"answers_{answer.status_code}"] = 1
        assert answer.status_code in (202, 503, 507), answer.text
        if answer.status_code == 202:
            trial.accepted(answer.json()["id"], 1)
        time.sleep(max(0.0, trial.struck + seconds - time.monotonic()))
        fill(ballast)
    finally:
        ballast.unlink()
    trial.mend()
    return trial.progressed


def fill(ballast: Path) -> None:
    """Write until not a byte more goes in."""
    with ballast.open("ab", buffering=0) as file:
        for size in (BLOCK, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
        os.fsync(file.fileno())


FAULT = Fault("disk full on the evidence store", "a unit begun after it is done", provoke)
