"""A deployment on this machine: PostgreSQL, Redis, gateway, sweeper and workers, real processes on private ports."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psycopg

from api_tests.record import Record
from api_tests.stack import POOL, ROOT, Stack
from ledger.tests.servers import PostgreSQL, Redis

DATABASE = "palimpsest"
QUIET = {"OMP_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error"}


@dataclass
class Deployment(Stack):
    """Everything under one home. ``module`` is the Celery application of the workers, which are worker-1, worker-2 …"""

    module: str = "worker.app"
    workers: int = 2
    postgres: PostgreSQL = field(default_factory=lambda: PostgreSQL(fsync=True))
    redis: Redis = field(default_factory=Redis)
    keep: bool = False

    @classmethod
    def open(cls, **fields: Any) -> Self:
        """One in a folder of its own, begun."""
        deployment = cls(Path(tempfile.mkdtemp(prefix="palimpsest-")), **fields)
        try:
            deployment.begin()
        except BaseException:
            deployment.keep = True
            deployment.close()
            raise
        return deployment

    @property
    def names(self) -> list[str]:
        """The workers."""
        return [f"worker-{number}" for number in range(1, self.workers + 1)]

    @property
    def evidence(self) -> Path:
        """Where blobs are."""
        return self.home / "evidence"

    @property
    def record(self) -> Record:
        """The ledger."""
        return Record(self.postgres.url_of(DATABASE))

    def begin(self) -> None:
        """Start the servers, make the schema, start the processes; returns when an audit would be accepted."""
        self.evidence.mkdir(parents=True, exist_ok=True)
        self.postgres.start()
        self.redis.start()
        self.postgres.database(DATABASE)
        self.run("-m", "ledger.cli", "upgrade")
        self.start("gateway", "sweeper", *self.names)
        self.wait_until_ready()

    def close(self) -> None:
        """No process is left, and no file unless they are to be kept."""
        self.stop()
        self.redis.close()
        self.postgres.close()
        if not self.keep:
            shutil.rmtree(self.home)

    def run(self, *words: str) -> None:
        """Have Python do something in the surroundings of the processes, and wait for it."""
        environment = {**os.environ, **self._environment("run")}
        subprocess.run([sys.executable, *words], check=True, cwd=ROOT, env=environment, capture_output=True)

    def until(self, holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Look every 20 ms; a ledger that is away has nothing to say."""
        ends = time.monotonic() + seconds
        while True:
            with suppress(psycopg.OperationalError):
                if holds():
                    return
            assert time.monotonic() < ends, f"waited {seconds:g} s for {what}"
            time.sleep(0.02)

    def _command(self, name: str) -> list[str]:
        if name not in self.names:
            return super()._command(name)
        return [sys.executable, "-m", "celery", "-A", self.module, "worker", *POOL, "-n", f"{name}@%h"]

    def _environment(self, name: str) -> dict[str, str]:
        places = {
            "PALIMPSEST_LEDGER_URL": self.postgres.url_of(DATABASE),
            "PALIMPSEST_BROKER_URL": self.redis.url,
            "PALIMPSEST_EVIDENCE_URL": self.evidence.as_uri(),
            "PALIMPSEST_HEARTBEAT_FILE": str(self.home / f"{name}.heartbeat"),
        }
        return {**QUIET, **places, **super()._environment(name)}
