"""kill -9 in mid-audit, with every message lost: the audit finishes, and done work is not done again."""

import sqlite3
import time
from pathlib import Path
from typing import Any

from api_tests import asking
from api_tests.stack import Stack

SHORT = {"PALIMPSEST_LEASE_SECONDS": "4", "PALIMPSEST_RING_AGAIN_SECONDS": "3"}


def units(ledger: Path) -> dict[tuple[str, int], tuple[str, int]]:
    """(state, attempts) of every unit by stage and place, read beside the running service."""
    with sqlite3.connect(ledger, timeout=30) as connection:
        rows = connection.execute("SELECT stage, ordinal, state, attempt FROM units").fetchall()
    return {(stage, ordinal): (state, attempt) for stage, ordinal, state, attempt in rows}


def until_some_work_is_done_and_some_running(ledger: Path) -> None:
    """Past planning: one measured unit done, another leased."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        found = {key: state for key, (state, _) in units(ledger).items() if key[0] != "plan"}
        if "done" in found.values() and "leased" in found.values():
            return
        time.sleep(0.1)
    raise AssertionError(f"no moment to kill: {units(ledger)}")


def test_nothing_is_lost_and_nothing_done_twice(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    """
    Worker and child killed, the broker emptied, another worker started: the audit succeeds, units that were done
    keep their one attempt, only the interrupted one has two, and the result is that of an undisturbed run.
    """
    stack = Stack(tmp_path / "home", SHORT)
    stack.start()
    try:
        stack.wait_until_ready()
        accepted = asking.submit(stack.url, asking.small_audit()).json()
        until_some_work_is_done_and_some_running(stack.ledger)
        stack.kill("worker")
        before = units(stack.ledger)
        stack.empty_the_broker()
        stack.start("worker")
        ended = asking.wait(stack.url, accepted["id"])
        after = units(stack.ledger)
        report = asking.report(stack.url, accepted["id"])
    finally:
        stack.stop()
    assert ended["state"] == "succeeded"
    assert {state for state, _ in after.values()} == {"done"}
    attempts = {
        state: [after[key][1] for key, (was, _) in before.items() if was == state] for state in ("done", "leased")
    }
    assert attempts["done"] == [1] * len(attempts["done"])
    assert attempts["leased"] == [2]
    assert sum(attempt for _, attempt in after.values()) == len(after) + 1
    assert report["result_digest"] == undisturbed["result_digest"]
