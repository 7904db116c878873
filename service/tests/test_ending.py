"""A gateway that is asked to end lets its streams and waiting polls go, and is gone in a moment."""

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from palimpsest.client import AuditClient
from service.tests.conftest import Bench, Served


def test_streams_and_waits_do_not_hold_up_the_end(
    bench: Bench, asked: Callable[..., Any], served: Callable[..., Served]
) -> None:
    """SIGTERM while one follows and one waits for 30 s: both are answered in good order, within a second or two."""
    gateway = served()
    audit = bench.submitted(asked())
    address = f"{gateway.url}/v1/audits/{audit}"
    waited: list[httpx.Response] = []

    def wait() -> None:
        waited.append(httpx.get(address, headers={"Prefer": "wait=30"}, timeout=60))

    with httpx.stream("GET", f"{address}/events", headers={"Accept": "text/event-stream"}, timeout=60) as stream:
        content = stream.iter_bytes()
        assert b"audit.queued" in next(content)
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(1)
        began = time.monotonic()
        gateway.process.signal(signal.SIGTERM)
        assert list(content) == []
        waiting.join()
        gateway.process.process.wait(20)
    assert time.monotonic() - began < 4
    assert waited[0].status_code == 200
    assert gateway.process.exit_code is not None


def test_the_client_follows_over_a_restart(
    bench: Bench, asked: Callable[..., Any], served: Callable[..., Served]
) -> None:
    """The gateway ends and another takes its place: the client hears every event once."""
    gateway = served()
    audit = bench.submitted(asked())
    seen: list[int] = []

    def follow() -> None:
        with AuditClient(gateway.url) as client:
            seen.extend(event.seq for event in client.follow(audit))

    following = threading.Thread(target=follow)
    following.start()
    time.sleep(1)
    gateway.process.signal(signal.SIGTERM)
    gateway.process.process.wait(20)
    bench.fail("METHOD_FAILED")
    served()
    following.join(60)
    assert seen == list(range(1, seen[-1] + 1))
    with bench.ledger.reading() as connection:
        assert connection.exec_driver_sql("SELECT event_seq FROM audits").scalar_one() == seen[-1]
