"""The compose file's own services as processes of this machine: the very commands, with what the file tells them.

A process gets the image's ENTRYPOINT and CMD (or the service's command), the image's variables and the service's, and
nothing of this process's own. Names of other services become addresses of real servers. As in its container the root is
read-only, and /tmp and the home are empty file systems of its own, by a mount namespace; it differs from its container
in its user, in the Python it runs on, and in where it is started.
"""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.tests.images import ROOT, Image, images
from ledger.tests.servers import find, send

ENCLOSED = """
mount -o remount,bind,ro /
mount -t tmpfs tmpfs "$PALIMPSEST_HOME"
mount -t tmpfs tmpfs /tmp
exec "$@"
"""


@dataclass
class Played:
    """Services of ours. ``addresses`` replaces the names of others, ``also`` is told to every process."""

    services: dict[str, Any]
    folder: Path
    addresses: dict[str, str]
    also: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._images = images()
        self._tini = Path(find("tini", package="tini")).parent

    def start(self, name: str) -> None:
        """As Docker Compose would, in the background."""
        image = self._image(name)
        command = self.services[name]["command"] or image.command
        with self.log(name).open("ab") as log:
            self.running[name] = subprocess.Popen(
                [*enclosing(), *image.entrypoint, *command],
                cwd=ROOT,
                env=self.environment(name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self, name: str) -> int:
        """A service that ends by itself; its exit code."""
        self.start(name)
        return self.running.pop(name).wait(120)

    def healthy(self, name: str) -> bool:
        """Whether the image's HEALTHCHECK exits with 0."""
        return self.inside(name, *self._image(name).health).returncode == 0

    def inside(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in the running service's own file systems."""
        namespace = f"--mount=/proc/{self.running[name].pid}/ns/mnt"
        enter = [find("nsenter", package="util-linux"), namespace, f"--wdns={ROOT}", "--"]
        told = self.environment(name)
        return subprocess.run([*enter, *command], env=told, check=False, timeout=60, capture_output=True, text=True)

    def environment(self, name: str) -> dict[str, str]:
        """What the process is told."""
        told = {**self._image(name).environment, **self.services[name]["environment"]}
        for service, address in self.addresses.items():
            told = {variable: value.replace(service, address) for variable, value in told.items()}
        told["PATH"] = os.pathsep.join(
            [str(Path(sys.executable).parent), str(self._tini), "/usr/sbin:/usr/bin:/sbin:/bin"]
        )
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return told | {"PALIMPSEST_HOME": str(home), "HOME": str(home)} | self.also

    def log(self, name: str) -> Path:
        """What the service has said."""
        return self.folder / f"{name}.log"

    def stop(self, name: str, seconds: float) -> int:
        """SIGTERM to the entrypoint, as Docker sends it; the exit code, which has to come within the grace period."""
        process = self.running[name]
        process.send_signal(signal.SIGTERM)
        code = process.wait(seconds)
        del self.running[name]
        return code

    def close(self) -> None:
        """Leave no process behind."""
        for process in self.running.values():
            for pid in members(process.pid):
                send(pid, signal.SIGKILL)
            process.wait()
        self.running.clear()

    def _image(self, name: str) -> Image:
        stage = self.services[name]["image"].removeprefix("palimpsest-").partition(":")[0]
        return self._images[stage]


def enclosing() -> list[str]:
    """What a command is put behind, so that it cannot write where its container could not."""
    unshare = [find("unshare", package="util-linux"), "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    return [*unshare, "sh", "-ec", ENCLOSED, "sh"]


def members(session: int) -> list[int]:
    """The processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getsid(int(entry.name)) == session:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
    return found
