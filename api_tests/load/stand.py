"""Gateway and sweeper over PostgreSQL (fsync on) and Redis, and the bare routes beside them under the same server."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from api_tests.deployment import DATABASE, Deployment
from ledger import catalogue
from ledger.database import Ledger
from ledger.tests.servers import free_port
from service.init import first_key
from service.settings import Settings
from service.tests.cards import method_cards, model_card
from service.up import gateway

STREAMS = 2000
NEVER_REACHED = f"{10**9}"
"""Of a rate or a quota: it is counted as any is, and nobody is refused."""
LIMITS = ("RATE_OF_KEY", "RATE_OF_TENANT", "QUOTA_AUDITS", "QUOTA_TARGETS")
REQUEST: dict[str, Any] = {
    "model": "bundled",
    "target_set": "bundled:targets",
    "control_set": "bundled:controls",
    "mitigations": [{"kind": "wanda"}],
    "labels": {"release": "1.4"},
    "force_new": True,
}
"""An audit of registered sets: the body of most submissions of a release pipeline."""


@dataclass
class Stand(Deployment):
    """No worker: a catalogue is published in the place of one, and units stay queued."""

    workers: int = 0
    bare_port: int = 0
    key: str = ""

    def begin(self) -> None:
        """Start everything; the bare routes last, for they answer with an audit of the gateway's."""
        self.evidence.mkdir(parents=True, exist_ok=True)
        self.bare_port = free_port()
        self.postgres.start()
        self.redis.start()
        ledger = Ledger(self.postgres.database(DATABASE))
        ledger.upgrade()
        with ledger.writing() as connection:
            cards, methods = [model_card()], method_cards()
            catalogue.publish(connection, "local", engine="engine-1", cards=cards, method_cards=methods)
        ledger.close()
        self.start("gateway", "sweeper")
        self.wait_until_ready()
        self.audit = self.submit("key-0000-0000-0000")
        self.body.write_bytes(httpx.get(f"{self.url}/v1/audits/{self.audit}").content)
        self.start("bare")
        self.until(self._bare_answers, "the bare routes")

    @property
    def body(self) -> Path:
        """The document that the bare routes answer with."""
        return self.home / "body.json"

    @property
    def request(self) -> Path:
        """The body of every submission."""
        path = self.home / "request.json"
        path.write_text(json.dumps(REQUEST))
        return path

    @property
    def bare(self) -> str:
        """Where the bare routes listen."""
        return f"http://127.0.0.1:{self.bare_port}"

    def submit(self, key: str) -> str:
        """The id of a new audit."""
        headers = {"Idempotency-Key": key, **self.bearing}
        answer = httpx.post(f"{self.url}/v1/audits", json=REQUEST, headers=headers, timeout=30)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def ask_for_keys(self, tenant: str) -> None:
        """From now on no request goes without a key, and this tenant's is the one that is used."""
        ledger = Ledger(self.postgres.url_of(DATABASE))
        self.key = first_key(ledger, tenant).key
        ledger.close()

    @property
    def bearing(self) -> dict[str, str]:
        """The header with the key, once there is one."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def pid(self, name: str) -> int:
        """Of the gateway or the bare routes."""
        return self.processes[name].pid

    def connections(self) -> int:
        """How many connections to the database the gateway holds: all but the asker's, while only it is at work."""
        statement = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
        return int(self.record.rows(statement, DATABASE)[0]["n"])

    def _bare_answers(self) -> bool:
        try:
            return httpx.get(f"{self.bare}/bytes/x").status_code == 200
        except httpx.TransportError:
            return False

    def _command(self, name: str) -> list[str]:
        if name == "gateway":
            return gateway(Settings(port=self.port))
        if name == "bare":
            place = [
                str(self.bare_port) if word == str(self.port) else word for word in gateway(Settings(port=self.port))
            ]
            return ["api_tests.load.bare:create" if word.startswith("service.app:") else word for word in place]
        return super()._command(name)

    def _environment(self, name: str) -> dict[str, str]:
        limits = {f"PALIMPSEST_{limit}": NEVER_REACHED for limit in LIMITS}
        own = {"PALIMPSEST_STREAMS_PER_TENANT": str(STREAMS), "LOAD_BODY": str(self.body)}
        return {**super()._environment(name), **limits, **own}


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processors so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid: int) -> float:
    """What a process holds in memory now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
