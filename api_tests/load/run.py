"""``make load``: raw rows of what the gateway bears, side by side with bare routes and in turn with them.

    python -m api_tests.load.run [--raw F] [--rounds 12] [--seconds 5] [--streams 1000]

Begins a new raw file: rounds of different runs are not mixed.
"""

import argparse
import sys
from importlib.metadata import version
from pathlib import Path

from api_tests.load import stalls
from api_tests.load.polls import CONNECTIONS, polls, polls_of_many, polls_with_a_key, submissions
from api_tests.load.stand import Stand
from api_tests.load.streams import streams
from api_tests.results import UNDER_WAY, Row, append, meta, publish, say
from ledger.catalogue import HOME
from ledger.tests.servers import find

RAW = UNDER_WAY / "load.jsonl"
SERVED_BY = ("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic", "sqlalchemy", "psycopg", "celery")


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m api_tests.load.run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--raw", type=Path, default=RAW)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--streams", type=int, default=1000)
    asked = parser.parse_args()
    find("wrk", package="wrk")
    asked.raw.unlink(missing_ok=True)
    append(asked.raw, {**meta("make load"), "versions": {name: version(name) for name in SERVED_BY}})
    stand = Stand.open()
    try:
        measure(stand, asked)
    finally:
        stand.close()
    publish(asked.raw)
    return 0


def measure(stand: Stand, asked: argparse.Namespace) -> None:
    """All of it."""
    for round_ in range(asked.rounds):
        for row in polls(stand, round_, asked.seconds):
            add(asked.raw, row)
    for connections in (CONNECTIONS, 1):
        for round_ in range(asked.rounds):
            for row in submissions(stand, round_, asked.seconds, connections):
                add(asked.raw, row)
    for round_ in range(max(1, asked.rounds // 4)):
        add(asked.raw, polls_of_many(stand, round_, asked.seconds))
    content = stalls.body()
    for round_ in range(max(1, asked.rounds // 2)):
        for row in stalls.stalls(stand, round_, content):
            add(asked.raw, row)
    with_keys_and_limits(stand, asked)


def with_keys_and_limits(stand: Stand, asked: argparse.Namespace) -> None:
    """Polls and submissions once more, then the streams: each request with a key, counted by every limit there is."""
    stand.ask_for_keys("acme")
    stand.audit = stand.submit("key-0000-0000-0001")
    for round_ in range(asked.rounds):
        for row in polls_with_a_key(stand, round_, asked.seconds):
            add(asked.raw, row)
    for round_ in range(asked.rounds):
        for row in submissions(stand, round_, asked.seconds, CONNECTIONS):
            add(asked.raw, row)
    stand.ask_for_keys(HOME)
    add(asked.raw, streams(stand, asked.streams, 6 * asked.seconds))


def add(raw: Path, row: Row) -> None:
    """Keep a row and tell it."""
    append(raw, row)
    say(" ".join(f"{name}={value}" for name, value in row.items()))


if __name__ == "__main__":
    sys.exit(main())
