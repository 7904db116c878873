"""Clients that follow an audit each: ``python -m api_tests.load.listeners PORT IDS KEY``, in a process of its own.

Says how many are listening once all are, stops when its standard input ends, and then says what was heard.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path


@dataclass
class Heard:
    """What one client heard: when, and how long after it had happened."""

    seqs: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    resets: int = 0


async def listen(port: int, audit: str, key: str, heard: Heard, listening: asyncio.Semaphore) -> None:
    """One client, behind the audit's first event; until it is cancelled. Lets one more through once it listens."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = f"/v1/audits/{audit}/events?after=1"
    headers = f"Host: load\r\nAccept: text/event-stream\r\nAuthorization: Bearer {key}\r\n"
    writer.write(f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode())
    status = await reader.readline()
    assert b"200" in status, status
    listening.release()
    while line := await reader.readline():
        if line.startswith(b"data: "):
            note(json.loads(line[6:]), heard)
    writer.close()


def note(event: dict[str, object], heard: Heard) -> None:
    """One event, now."""
    now = time.time()
    if event["type"] == "reset":
        heard.resets += 1
        return
    heard.seqs.append(int(str(event["seq"])))
    heard.times.append(now)
    heard.delays.append(now - datetime.fromisoformat(str(event["at"])).timestamp())


async def follow(port: int, audits: list[str], key: str) -> list[Heard]:
    """All of them, until standard input ends."""
    heard = [Heard() for _ in audits]
    listening = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as clients:
        each = zip(audits, heard, strict=True)
        tasks = [clients.create_task(listen(port, audit, key, its, listening)) for audit, its in each]
        for _ in tasks:
            await listening.acquire()
        sys.stdout.write(f"{len(tasks)}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
        for task in tasks:
            task.cancel()
    return heard


def told(heard: list[Heard]) -> dict[str, object]:
    """What they heard between them, in numbers; delays in milliseconds."""
    delays = sorted(delay for its in heard for delay in its.delays)
    gaps = sorted(b - a for its in heard for a, b in zip(its.times, its.times[1:], strict=False))
    missing = sum(b - a - 1 for its in heard for a, b in zip(its.seqs, its.seqs[1:], strict=False))

    def share(values: list[float], part: float) -> float:
        return round(1e3 * values[min(len(values) - 1, int(part * len(values)))], 1) if values else 0.0

    return {
        "events": len(delays),
        "fewest": min(len(its.seqs) for its in heard),
        "missing": missing,
        "resets": sum(its.resets for its in heard),
        "longest_gap": share(gaps, 1.0),
        **{f"p{part}": share(delays, part / 100) for part in (50, 95, 99)},
        "slowest": share(delays, 1.0),
    }


def main() -> None:
    """Entry point."""
    port, ids, key = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    heard = asyncio.run(follow(port, ids.read_text().split(), key))
    sys.stdout.write(json.dumps(told(heard)) + "\n")


if __name__ == "__main__":
    main()
