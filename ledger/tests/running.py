"""Processes and ports: who runs, who descends from whom, whom to signal, where nobody listens (Linux)."""

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PATIENCE = 60.0
"""Seconds a server may take to start or to stop."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(holds: Callable[[], bool], what: str, *, seconds: float = PATIENCE, log: Path | None = None) -> None:
    """Look every 20 ms; TimeoutError after ``seconds``, with the end of the log."""
    ends = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > ends:
            told = log.read_text(errors="replace")[-2000:] if log is not None else ""
            raise TimeoutError(f"waited {seconds:g} s for {what}\n{told}")
        time.sleep(0.02)


def descendants(pid: int) -> list[int]:
    """The processes a process has started, and theirs (Linux)."""
    found: list[int] = []
    with suppress(OSError):
        for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            found += [child, *descendants(child)]
    return found


def runs(pid: int) -> bool:
    """Whether the process is there and has not ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process that may just have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
