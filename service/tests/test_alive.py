"""The gateway's health check, as its container runs it."""

import os
import subprocess
import sys
from collections.abc import Callable

from service.tests.conftest import Served
from service.up import ROOT


def checked(port: int) -> int:
    """The exit code of the check."""
    environment = {**os.environ, "UVICORN_PORT": str(port), "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-m", "service.alive"], env=environment, check=False).returncode


def test_it_is_well_while_the_gateway_answers(served: Callable[..., Served], port: int) -> None:
    """Nobody there, then a gateway, on the same port."""
    assert checked(port) == 1
    served()
    assert checked(port) == 0
