"""The service as real processes on a private port and folder, started by the very commands that deploy it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 300
POOL = ["-P", "prefork", "-c", "1", "-Q", "palimpsest.units", "--without-mingle", "--without-gossip"]


@dataclass
class Stack:
    """Gateway, sweeper and worker over one home folder. Every process leads a group of its own."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    @property
    def url(self) -> str:
        """Where the gateway listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ledger(self) -> Path:
        """The embedded ledger's file."""
        return self.home / "ledger.sqlite"

    def start(self, *names: str) -> None:
        """Start these processes, or all three."""
        for name in names or ("gateway", "sweeper", "worker"):
            self.processes[name] = self._spawn(name, self._command(name))

    def _command(self, name: str) -> list[str]:
        python = sys.executable
        return {
            "gateway": [python, "-m", "uvicorn", "--factory", "service.app:from_environment", "--port", str(self.port)],
            "sweeper": [python, "-m", "service.sweeper"],
            "worker": [python, "-m", "celery", "-A", "worker.app", "worker", *POOL],
        }[name]

    def _environment(self, name: str) -> dict[str, str]:
        """What a process is told besides what this one was told."""
        own = {"PYTHONPATH": str(ROOT), "PALIMPSEST_HOME": str(self.home), "PALIMPSEST_PORT": str(self.port)}
        return own | self.environment

    def _spawn(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        self.home.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **self._environment(name)}
        with (self.home / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=ROOT, env=environment, start_new_session=True, stdout=log, stderr=subprocess.STDOUT
            )

    def kill(self, name: str) -> None:
        """kill -9 of a process and everything it started."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def empty_the_broker(self) -> None:
        """Lose every message there is."""
        shutil.rmtree(self.home / "broker")

    def wait_until_ready(self) -> None:
        """Until an audit would be accepted."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            for name, process in self.processes.items():
                assert process.poll() is None, f"the {name} died:\n{self.log(name)}"
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.3)
        raise AssertionError(f"not ready after {READY_SECONDS} s:\n{self.log(next(reversed(self.processes)))}")

    def log(self, name: str) -> str:
        """The end of a process's log."""
        return (self.home / f"{name}.log").read_text(errors="replace")[-4000:]

    def stop(self) -> None:
        """Leave no process behind."""
        for name in list(self.processes):
            self.kill(name)
