"""``python -m service.up``: gateway, sweeper and worker on this machine, until interrupted or for one command.

    python -m service.up                              serves until SIGINT or SIGTERM
    python -m service.up -- palimpsest audit ...      runs the command with PALIMPSEST_URL set and exits with its code

Either way no process is left behind. Logs are under ``PALIMPSEST_HOME/logs``.
"""

import argparse
import os
import shlex
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from ledger.database import UNREACHABLE
from ledger.errors import LedgerError
from service import children
from service.children import Child
from service.observability import cause
from service.opening import opened
from service.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 600.0
"""A worker loads its libraries and inspects its models before the service is ready."""
POLL_SECONDS = 0.2
ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104


class Failed(Exception):
    """The stack did not come up, or did not stay up."""


@dataclass
class Stack:
    """The processes of one deployment on one machine, and the wish to end them."""

    settings: Settings
    stop: threading.Event
    running: list[Child] = field(default_factory=list)

    @property
    def host(self) -> str:
        """Where the gateway is reached from this machine."""
        return "127.0.0.1" if self.settings.host in ANYWHERE else self.settings.host

    @property
    def url(self) -> str:
        """What PALIMPSEST_URL is set to."""
        return f"http://{self.host}:{self.settings.port}"

    @property
    def logs(self) -> Path:
        """Where the processes write."""
        return self.settings.home.absolute() / "logs"

    def start(self, workers: list[list[str]]) -> None:
        """Start everything; whoever comes first finds the ledger upgraded."""
        try:
            opened(self.settings).close()
        except (LedgerError, *UNREACHABLE) as error:
            raise Failed(f"the ledger cannot be opened: {cause(error)}") from error
        commands = {"gateway": gateway(self.settings), "sweeper": [sys.executable, "-m", "service.sweeper"]}
        commands |= {f"worker-{number}": command for number, command in enumerate(workers, start=1)}
        for name, command in commands.items():
            log = self.logs / f"{name}.log"
            self.running.append(children.start(name, command, environment=environment(self.settings), log=log))

    def wait_until_ready(self) -> None:
        """Return when an audit would be accepted, or when told to stop. Raises Failed."""
        waited = 0.0
        while not self.stop.is_set() and not self.is_ready():
            self.watch()
            self.stop.wait(POLL_SECONDS)
            waited += POLL_SECONDS
            if waited > START_SECONDS:
                raise Failed(f"not ready after {START_SECONDS:.0f} s, see {self.logs}\n{self.running[-1].tail()}")

    def is_ready(self) -> bool:
        """Whether GET /readyz answers 200."""
        with closing(HTTPConnection(self.host, self.settings.port, timeout=2)) as connection:
            try:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200
            except (OSError, HTTPException):
                return False

    def watch(self) -> None:
        """Raise Failed if a process has ended that should not have."""
        for child in self.running:
            if child.exit_code is not None:
                raise Failed(f"the {child.name} ended with {child.exit_code}; the end of {child.log}:\n{child.tail()}")

    def serve(self) -> None:
        """Until told to stop. Raises Failed."""
        while not self.stop.wait(POLL_SECONDS):
            self.watch()

    def run(self, command: list[str]) -> int:
        """Run a command beside the service, until it ends or is told to stop; its exit code. Raises Failed."""
        try:
            told = children.start("command", command, environment={**os.environ, "PALIMPSEST_URL": self.url})
        except OSError as error:
            raise Failed(f"cannot run {command[0]}: {error.strerror}") from error
        try:
            while told.exit_code is None and not self.stop.wait(POLL_SECONDS):
                self.watch()
        finally:
            code = told.exit_code
            children.stop([told])
        return 128 + signal.SIGINT if code is None else code


def gateway(settings: Settings) -> list[str]:
    """The command of the gateway; uvicorn's access log is left to the gateway's own."""
    place = ["--host", settings.host, "--port", str(settings.port)]
    quiet = ["--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "5"]
    return [sys.executable, "-m", "uvicorn", "--factory", "service.app:from_environment", *place, *quiet]


def worker(number: int) -> list[str]:
    """The command of one Celery worker: a process that listens and one that works. Its settings say to which queues."""
    pool = ["-P", "prefork", "-c", "1", "--without-mingle", "--without-gossip"]
    return [sys.executable, "-m", "celery", "-A", "worker.app", "worker", *pool, "-n", f"palimpsest-{number}@%h"]


def environment(settings: Settings) -> dict[str, str]:
    """What the processes are told: the same settings, from wherever they run."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    told = {"PYTHONPATH": path, "PALIMPSEST_HOME": str(settings.home.absolute())}
    return {**os.environ, **told, "PALIMPSEST_HOST": settings.host, "PALIMPSEST_PORT": str(settings.port)}


def require_free(settings: Settings) -> None:
    """Raise Failed if somebody listens there already, whose answers would be taken for ours."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise Failed(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; the exit code."""
    asked = parsed(arguments)
    settings = Settings() if asked.port is None else Settings(port=asked.port)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup has the last word
            signal.signal(number, lambda *_: stop.set())
    stack = Stack(settings, stop)
    try:
        require_free(settings)
        stack.start([asked.worker_command or worker(number) for number in range(1, asked.workers + 1)])
        say(f"Palimpsest is starting, logs in {stack.logs}")
        stack.wait_until_ready()
        return attended(stack, asked.command)
    except Failed as failure:
        say(f"Palimpsest failed: {failure}")
        return 1
    finally:
        children.stop(stack.running)


def attended(stack: Stack, command: list[str]) -> int:
    """Run the command, or serve."""
    if command:
        return 128 + signal.SIGINT if stack.stop.is_set() else stack.run(command)
    if not stack.stop.is_set():
        say(f"Palimpsest serves on {stack.url}, Ctrl-C stops it")
    stack.serve()
    return 0


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m service.up", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--port", type=int, help="default: $PALIMPSEST_PORT or 8000")
    parser.add_argument("--workers", type=int, default=1, help="how many workers to start (default: 1)")
    parser.add_argument("--worker-command", type=shlex.split, help=argparse.SUPPRESS)
    parser.add_argument("command", nargs="*", help="what to run beside the service, after --")
    return parser.parse_args(arguments)


def say(sentence: str) -> None:
    """To whoever started it; standard output belongs to the command."""
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
