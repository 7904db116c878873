"""The deployment that faults strike: two watched workers, waits cut to seconds, a wire and a disk that can fail."""

import json
import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis as RedisClient

from api_tests import deployment, tiny_model
from api_tests.faults import clocks
from api_tests.faults.relay import Relay
from ledger.tests.servers import descendants, runs

SHORT = {
    "PALIMPSEST_LEASE_SECONDS": "3",
    "PALIMPSEST_RING_AGAIN_SECONDS": "3",
    "PALIMPSEST_PUBLISH_SECONDS": "3",
    "PALIMPSEST_SWEEP_SECONDS": "0.5",
}
DISK = 512 * 2**20
"""Bytes of the file system that holds the evidence, where one can be mounted."""


@dataclass(frozen=True)
class Setup:
    """What a fault needs of the deployment it is provoked in; faults of equal setups may share one."""

    name: str = "usual"
    faked_clocks: bool = False


USUAL = Setup()


@dataclass
class Deployment(deployment.Deployment):
    """Its workers offer the model of a folder; its evidence lies on a small disk of its own if root starts it."""

    model: Path = Path()
    module: str = "api_tests.faults.worker"
    setup: Setup = USUAL
    mounted: bool = False
    relay: Relay = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.relay = Relay(self.redis.port)
        if self.setup.faked_clocks:
            self.postgres = clocks.FakedPostgreSQL(fsync=True)

    @property
    def orders(self) -> Path:
        """Where the workers look what is ordered, and write their journal."""
        return self.home / "orders"

    @property
    def broker(self) -> RedisClient:
        """A client of the broker that does not wait for long."""
        return RedisClient(port=self.redis.port, socket_timeout=3)

    def begin(self) -> None:
        """Also mount the disk, and wait for both workers."""
        for folder in (self.evidence, self.orders):
            folder.mkdir(parents=True)
        self._mount()
        self.relay.start()
        super().begin()
        self.settle()

    def close(self) -> None:
        """No mount is left either."""
        self.stop()
        self.relay.close()
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.evidence)], check=True)
            self.mounted = False
        super().close()

    def _mount(self) -> None:
        words = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(self.evidence)]
        self.mounted = os.geteuid() == 0 and subprocess.run(words, check=False, capture_output=True).returncode == 0

    def _environment(self, name: str) -> dict[str, str]:
        own = {**tiny_model.environment(self.model), "FAULTS_FOLDER": str(self.orders)}
        if name in ("gateway", "sweeper"):
            own["PALIMPSEST_BROKER_URL"] = f"redis://127.0.0.1:{self.relay.port}/0"
        if self.setup.faked_clocks and name != "run":
            own |= clocks.environment(self.home / "clock")
        return {**super()._environment(name), **SHORT, **own}

    def settle(self, seconds: float = 120) -> None:
        """Until both workers are ready for a unit and none waits. A process that has ended is started again."""
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                self.start(name)

        def idle() -> bool:
            return all(self.child(name) for name in self.names) and self.record.idle()

        self.until(idle, f"two ready workers and nothing to do; logs are in {self.home}", seconds)

    def journal(self, *what: str) -> list[dict[str, Any]]:
        """What the workers noted."""
        file = self.orders / "journal.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in map(json.loads, lines) if line["what"] in what]

    def order(self, name: str, *, what: dict[str, int] | None = None, **unit: Any) -> None:
        """Have the workers do this to a unit, named by its audit, stage, ordinal and fence."""
        fresh = self.orders / f"{name}.new"
        fresh.write_text(json.dumps({"unit": unit, **(what or {})}))
        fresh.replace(self.orders / f"{name}.json")

    def revoke(self, name: str) -> None:
        """Order it no more."""
        (self.orders / f"{name}.json").unlink(missing_ok=True)

    def child(self, worker: str) -> int | None:
        """The process of a worker that does the work, once it is ready to."""
        ready = {line["pid"] for line in self.journal("ready")}
        return next((pid for pid in descendants(self.processes[worker].pid) if pid in ready and runs(pid)), None)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send it to a process and everything it started."""
        os.killpg(self.processes[name].pid, number)

    def queued(self) -> dict[str, list[bytes]]:
        """The messages that wait in the broker, by the list they wait in."""
        with self.broker as broker:
            names = list(broker.scan_iter("palimpsest:*", _type="list"))
            return {name.decode(): broker.lrange(name, 0, -1) for name in names}
