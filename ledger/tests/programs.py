"""Where a server's program is; installed when it is missing and root asks."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")


class ServerMissing(RuntimeError):
    """The program is not installed and this user cannot install it."""


def programs_of_postgresql() -> Path:
    """The folder of PostgreSQL's own programs, which Debian keeps off the PATH."""
    return Path(find("initdb", package="postgresql")).resolve().parent


def find(program: str, *, package: str) -> str:
    """The program, installed when root asks. Raises ServerMissing."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        with _one_at_a_time():
            found = _look_for(program)
            if found is None:
                _install(package)
                found = _look_for(program)
    else:
        found = _look_for(program)
    if found is None:
        raise ServerMissing(f"{program} is not installed and these tests need it: apt-get install {package}")
    return found


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Tests run side by side; none may find a program that another is still unpacking."""
    with (Path(tempfile.gettempdir()) / "palimpsest-installs.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(package: str) -> None:
    # At runlevel 1 the package's own service is not started.
    quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    subprocess.run(["apt-get", "update", "-q"], check=True, env=quietly, stdout=subprocess.DEVNULL)
    install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", package]
    subprocess.run(install, check=True, env=quietly, stdout=subprocess.DEVNULL)


def _look_for(program: str) -> str | None:
    folders = sorted(DEBIAN.glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    return shutil.which(program, path=os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")]))
