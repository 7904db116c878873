"""Where a server's program is; installed when it is missing and root asks."""

import os
import shutil
import subprocess
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")


class ServerMissing(RuntimeError):
    """The program is not installed and this user cannot install it."""


def programs_of_postgresql() -> Path:
    """The folder of PostgreSQL's own programs, which Debian keeps off the PATH."""
    return Path(find("initdb", package="postgresql")).resolve().parent


def find(program: str, *, package: str) -> str:
    """The program, installed when root asks. Raises ServerMissing."""
    found = _look_for(program)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        # At runlevel 1 the package's own service is not started.
        quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        subprocess.run(["apt-get", "update", "-q"], check=True, env=quietly, stdout=subprocess.DEVNULL)
        install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", package]
        subprocess.run(install, check=True, env=quietly, stdout=subprocess.DEVNULL)
        found = _look_for(program)
    if found is None:
        raise ServerMissing(f"{program} is not installed and these tests need it: apt-get install {package}")
    return found


def _look_for(program: str) -> str | None:
    folders = sorted(DEBIAN.glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    return shutil.which(program, path=os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")]))
