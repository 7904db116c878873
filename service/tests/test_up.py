"""The launcher, with a worker that only pretends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from service.tests.cards import method_cards, model_card
from service.up import ROOT

WORKER = """
import json, os, pathlib, signal, subprocess, sys, time
from ledger import catalogue
from ledger.database import Ledger
from ledger.places import Places
folder = pathlib.Path(sys.argv[1])
grandchild = subprocess.Popen(["sleep", "300"])
(folder / "pids").write_text(f"{os.getpid()} {grandchild.pid} {os.getppid()}")
cards, methods = json.loads((folder / "cards.json").read_text())
with Ledger(Places().ledger).writing() as connection:
    catalogue.publish(connection, "local", engine="engine-1", cards=cards, method_cards=methods)
time.sleep(300)
"""

Launch = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def launch(tmp_path: Path, port: int) -> Launch:
    """Starts the launcher from another folder, as somebody with a relative home would."""
    (tmp_path / "cards.json").write_text(json.dumps([[model_card()], method_cards()]))
    (tmp_path / "worker.py").write_text(WORKER)

    def start(*command: str, worker: str = "worker.py") -> "subprocess.Popen[str]":
        pretended = f"{sys.executable} {tmp_path / worker} {tmp_path}"
        arguments = ["--port", str(port), "--worker-command", pretended, *(["--", *command] if command else [])]
        environment = {**os.environ, "PALIMPSEST_HOME": "home", "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [sys.executable, "-m", "service.up", *arguments],
            cwd=tmp_path,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return start


def left_behind(folder: Path) -> list[str]:
    """Command lines of processes that were told of this folder, zombies aside."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"PALIMPSEST_HOME={folder / 'home'}\0" in (process / "environ").read_text(errors="replace"):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def test_a_command_runs_beside_the_service_and_its_code_is_the_launchers(launch: Launch, tmp_path: Path) -> None:
    """It finds the service ready under PALIMPSEST_URL; afterwards nobody is left, and logs are under home."""
    asks = (
        "import os, httpx; print(httpx.get(os.environ['PALIMPSEST_URL'] + '/readyz').status_code); raise SystemExit(7)"
    )
    launcher = launch(sys.executable, "-c", asks)
    out, errors = launcher.communicate(timeout=120)
    assert (launcher.returncode, out) == (7, "200\n"), errors
    assert left_behind(tmp_path) == []
    assert {log.name for log in (tmp_path / "home" / "logs").iterdir()} == {
        "gateway.log",
        "sweeper.log",
        "worker-1.log",
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_interrupted(launch: Launch, tmp_path: Path, port: int, number: signal.Signals) -> None:
    """The service answers; one signal ends it with 0 and with everyone it started."""
    launcher = launch()
    assert launcher.stderr is not None
    said = [launcher.stderr.readline(), launcher.stderr.readline()]
    assert f"http://127.0.0.1:{port}" in said[1]
    assert httpx.get(f"http://127.0.0.1:{port}/v1/models").status_code == 200
    assert len(left_behind(tmp_path)) == 4
    launcher.send_signal(number)
    launcher.communicate(timeout=60)
    assert launcher.returncode == 0
    assert left_behind(tmp_path) == []


def test_a_command_that_is_interrupted_goes_too(launch: Launch, tmp_path: Path) -> None:
    """With what it started; the code is that of an interruption."""
    launcher = launch("/bin/sh", "-c", f"sleep 300 & echo started > {tmp_path}/started; wait")
    ends = time.monotonic() + 120
    while time.monotonic() < ends and not (tmp_path / "started").exists():
        time.sleep(0.1)
    launcher.send_signal(signal.SIGTERM)
    launcher.communicate(timeout=60)
    assert launcher.returncode == 130
    assert left_behind(tmp_path) == []


def test_a_worker_that_dies_at_once_is_shown(launch: Launch, tmp_path: Path) -> None:
    """The end of its log is in the message, and the others are stopped."""
    (tmp_path / "broken.py").write_text("raise SystemExit('no weights here')")
    launcher = launch(worker="broken.py")
    _, errors = launcher.communicate(timeout=120)
    assert launcher.returncode == 1
    assert "worker-1 ended with 1" in errors
    assert "no weights here" in errors
    assert left_behind(tmp_path) == []


def test_a_port_in_use_is_said_so(launch: Launch, tmp_path: Path, port: int) -> None:
    """Nothing is started, and another service on that port is not taken for this one."""
    with socket.create_server(("127.0.0.1", port)):
        _, errors = launch("true").communicate(timeout=60)
    assert f"cannot listen on 127.0.0.1:{port}" in errors
    assert not (tmp_path / "home" / "logs").exists()


def test_a_command_that_does_not_exist_is_said_so(launch: Launch, tmp_path: Path) -> None:
    """And nobody is left."""
    launcher = launch("/no/such/command")
    _, errors = launcher.communicate(timeout=120)
    assert launcher.returncode == 1
    assert "cannot run /no/such/command" in errors
    assert left_behind(tmp_path) == []
