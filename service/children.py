"""Child processes that leave nobody behind: each leads a process group of its own, and the whole group is stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DYING_SECONDS = 5.0
"""How long a group that was killed is waited for; a grandchild dies a moment after its parent."""
GRACE_SECONDS = 10.0
"""Between asking a group to stop and stopping it."""
TAIL_LINES = 20


@dataclass(frozen=True)
class Child:
    """A process and what it started; ``log`` is None when it speaks for itself."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path | None

    @property
    def exit_code(self) -> int | None:
        """As a shell says it; None while the process runs."""
        code = self.process.poll()
        return 128 - code if code is not None and code < 0 else code

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to everyone in the group; whether anyone was there."""
        self.process.poll()
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return False
        return True

    def tail(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log else []
        return "\n".join(lines[-TAIL_LINES:])


def start(name: str, command: list[str], *, environment: Mapping[str, str], log: Path | None = None) -> Child:
    """Start a child at the head of a group of its own; with a log, it writes there and reads nothing."""
    if log is None:
        return Child(name, subprocess.Popen(command, env=environment, process_group=0), None)  # noqa: S603
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        process = subprocess.Popen(  # noqa: S603
            command,
            env=environment,
            process_group=0,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    return Child(name, process, log)


def stop(children: list[Child], *, grace: float = GRACE_SECONDS) -> None:
    """Ask every group to stop, wait ``grace`` seconds for all of them together, then kill what is left."""
    left = still_there([child for child in children if child.signal(signal.SIGTERM)], grace)
    for child in left:
        child.signal(signal.SIGKILL)
        child.process.wait()
    still_there(left, DYING_SECONDS)


def still_there(children: list[Child], seconds: float) -> list[Child]:
    """Wait until every group is gone, for so long at most; those that are not."""
    ends = time.monotonic() + seconds
    left = [child for child in children if alive(child)]
    while left and time.monotonic() < ends:
        time.sleep(0.05)
        left = [child for child in left if alive(child)]
    return left


def alive(child: Child) -> bool:
    """Whether anyone of its group is left. Signal 0 asks without touching."""
    child.process.poll()
    try:
        os.killpg(child.process.pid, 0)
    except ProcessLookupError:
        return False
    return True
