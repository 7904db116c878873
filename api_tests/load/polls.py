"""Status polls and submissions, of the gateway and of the bare routes in turn."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg

from api_tests.deployment import DATABASE
from api_tests.load.generator import IN_TURN, SUBMIT, Measured, ask
from api_tests.load.stand import Stand, cpu_seconds

CONNECTIONS = 16
MANY = 1000
ADVANCE = "UPDATE audits SET revision = revision + 1 WHERE id = %s"


def polls(stand: Stand, round_: int, seconds: float) -> Iterator[dict[str, Any]]:
    """One round of every kind of poll; each begins another one's turn later than in the round before."""
    gateway, audit = f"{stand.url}/v1/audits/{stand.audit}", stand.audit
    tag = httpx.get(gateway).headers["ETag"]
    kinds = {
        "bare model": lambda: measured(stand, "bare", f"{stand.bare}/status/{audit}", seconds),
        "gateway 200": lambda: measured(stand, "gateway", gateway, seconds),
        "bare bytes": lambda: measured(stand, "bare", f"{stand.bare}/bytes/{audit}", seconds),
        "gateway 304": lambda: measured(stand, "gateway", gateway, seconds, headers={"If-None-Match": tag}),
        "gateway 200, changing": lambda: changing(stand, gateway, seconds),
    }
    for kind in turned(list(kinds), round_):
        yield {"table": "polls", "round": round_, "kind": kind, **kinds[kind]()}


def polls_with_a_key(stand: Stand, round_: int, seconds: float) -> Iterator[dict[str, Any]]:
    """One round of polls of an audit of the key's own tenant, and of the bare route."""
    gateway, key = f"{stand.url}/v1/audits/{stand.audit}", stand.bearing
    current = {**key, "If-None-Match": httpx.get(gateway, headers=key).headers["ETag"]}
    kinds = {
        "bare model": lambda: measured(stand, "bare", f"{stand.bare}/status/{stand.audit}", seconds),
        "gateway 200": lambda: measured(stand, "gateway", gateway, seconds, headers=key),
        "gateway 304": lambda: measured(stand, "gateway", gateway, seconds, headers=current),
    }
    for kind in turned(list(kinds), round_):
        yield {"table": "polls with a key", "round": round_, "kind": kind, **kinds[kind]()}


def polls_of_many(stand: Stand, round_: int, seconds: float) -> dict[str, Any]:
    """Polls of a thousand queued audits in turn, each without an ETag."""
    ids = stand.home / "ids.txt"
    if not ids.exists():
        rows = stand.record.rows("SELECT id FROM audits ORDER BY id LIMIT %s", MANY)
        ids.write_text("\n".join(row["id"] for row in rows))
    told = measured(stand, "gateway", stand.url, seconds, script=IN_TURN % ids)
    return {"table": "many", "round": round_, "audits": len(ids.read_text().split()), **told}


def submissions(stand: Stand, round_: int, seconds: float, connections: int) -> Iterator[dict[str, Any]]:
    """One round of submissions; every one of them is a new audit, or a new row."""
    for kind in turned(["bare row", "gateway audit"], round_):
        key = f"load-{connections}-{round_:04d}"
        headers = stand.bearing if kind == "gateway audit" else {}
        name, url = ("bare", f"{stand.bare}/rows") if kind == "bare row" else ("gateway", f"{stand.url}/v1/audits")
        script = SUBMIT % (stand.request, key)
        told = measured(stand, name, url, seconds, script=script, headers=headers, connections=connections)
        table = "submissions with a key" if stand.key else "submissions"
        yield {"table": table, "round": round_, "kind": kind, "connections": connections, **told}


def measured(
    stand: Stand,
    name: str,
    url: str,
    seconds: float,
    *,
    script: str = "",
    headers: dict[str, str] | None = None,
    connections: int = CONNECTIONS,
) -> dict[str, Any]:
    """Ask one of the two servers for so long; what it answered and what that cost it."""
    before = cpu_seconds(stand.pid(name))
    told: Measured = ask(
        url, connections=connections, seconds=seconds, scripts=stand.home, script=script, headers=headers
    )
    used = cpu_seconds(stand.pid(name)) - before
    return {**told.row, "cpu_microseconds": round(1e6 * used / max(told.requests, 1), 1)}


def changing(stand: Stand, url: str, seconds: float) -> dict[str, Any]:
    """Polls of an audit whose revision advances ten times a second, as with a worker that is at it."""
    with advancing(stand.postgres.url_of(DATABASE).replace("+psycopg", ""), stand.audit):
        return measured(stand, "gateway", url, seconds)


@contextmanager
def advancing(address: str, audit: str) -> Iterator[None]:
    """While the context lasts."""
    over = threading.Event()

    def advance() -> None:
        with psycopg.connect(address, autocommit=True) as connection:
            while not over.wait(0.1):
                connection.execute(ADVANCE, (audit,))

    with ThreadPoolExecutor(1) as pool:
        advancing = pool.submit(advance)
        try:
            yield
        finally:
            over.set()
            advancing.result()


def turned(kinds: list[str], round_: int) -> list[str]:
    """The same kinds, another one first in every round."""
    first = round_ % len(kinds)
    return kinds[first:] + kinds[:first]
