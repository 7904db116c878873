"""Many open event streams, each told about once a second, by one gateway."""

import json
import resource
import subprocess
import sys
import time
from typing import Any

import psycopg

from api_tests.deployment import DATABASE
from api_tests.load.stand import REQUEST, Stand, cpu_seconds, resident_megabytes
from api_tests.stack import ROOT
from ledger import intake
from ledger.audits import Submission
from ledger.database import Ledger

GROUPS = 10
TELL = """
WITH told AS (
  UPDATE audits SET event_seq = event_seq + 1, revision = revision + 1
  WHERE tenant_id = 'local' AND id = ANY(%s) RETURNING tenant_id, id, event_seq
)
INSERT INTO events (tenant_id, audit_id, seq, type, data, at)
SELECT tenant_id, id, event_seq, 'unit.done', '{"stage": "baseline", "ordinal": 0, "attempt": 1}',
  extract(epoch from clock_timestamp()) FROM told
"""


def streams(stand: Stand, count: int, seconds: float) -> dict[str, Any]:
    """``count`` streams for so long; what they heard, and what they cost the gateway."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    stand.kill("sweeper")
    stand.kill("bare")
    stand.kill("gateway")
    stand.start("gateway")
    stand.wait_until_ready()
    audits = new_audits(stand, count)
    pid = stand.pid("gateway")
    ids = stand.home / "streams.txt"
    ids.write_text("\n".join(audits))
    row: dict[str, Any] = {"table": "streams", "streams": count, "megabytes_before": resident_megabytes(pid)}
    command = [sys.executable, "-m", "api_tests.load.listeners", str(stand.port), str(ids), stand.key]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as listeners:
        assert listeners.stdout is not None
        assert int(listeners.stdout.readline()) == count
        stand.until(lambda: open_streams(stand) >= count, "all streams to be open")
        row |= {"megabytes_open": resident_megabytes(pid)}
        row |= tell(stand, audits, seconds)
        told, _ = listeners.communicate()
    return row | {f"heard_{name}": value for name, value in json.loads(told).items()}


def new_audits(stand: Stand, count: int) -> list[str]:
    """So many queued audits, straight into the ledger."""
    ledger = Ledger(stand.postgres.url_of(DATABASE))
    asked = [
        ("local", Submission(REQUEST, "d" * 64, "bundled", {}, f"streams-{n:012d}", "f" * 64, reuse=False))
        for n in range(count)
    ]
    with ledger.writing() as connection:
        taken = intake.take(connection, asked)
    ledger.close()
    return [one.accepted.audit_id for one in taken if isinstance(one, intake.Taken)]


def open_streams(stand: Stand) -> int:
    """Sockets of the gateway that are connected to somebody at its own port."""
    port, established = f":{stand.port:04X}", "01"
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    return sum(row[1].endswith(port) and row[3] == established for row in rows)


def tell(stand: Stand, audits: list[str], seconds: float) -> dict[str, Any]:
    """Record an event of every audit each second, a tenth of them at a time; what the gateway held meanwhile."""
    groups = [audits[n::GROUPS] for n in range(GROUPS)]
    pid = stand.pid("gateway")
    used, began, rounds = cpu_seconds(pid), time.monotonic(), 0
    connections, megabytes = [], []
    address = stand.postgres.url_of(DATABASE).replace("+psycopg", "")
    with psycopg.connect(address, autocommit=True) as connection:
        while time.monotonic() - began < seconds:
            connection.execute(TELL.encode(), (groups[rounds % GROUPS],))
            rounds += 1
            time.sleep(max(0.0, began + rounds / GROUPS - time.monotonic()))
            if rounds % GROUPS == 0:
                connections.append(stand.connections() - 1)
                megabytes.append(resident_megabytes(pid))
    lasted = time.monotonic() - began
    time.sleep(2)
    return {
        "seconds": round(lasted, 1),
        "told": sum(len(groups[n % GROUPS]) for n in range(rounds)),
        "connections": max(connections),
        "megabytes_most": max(megabytes),
        "cpu_share": round((cpu_seconds(pid) - used) / lasted, 3),
    }
