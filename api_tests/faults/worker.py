"""The worker as it is deployed, watched: ``celery -A api_tests.faults.worker worker …``.

Every unit that its engine begins or ends is a line of a journal. What a test orders is looked up in a folder: a unit
may be poison (it kills the process that touches it), be held at its very end, or be worked on with little memory.
"""

import json
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celery.signals import worker_process_init

from worker.app import app

__all__ = ["app"]

FOLDER = Path(os.environ["FAULTS_FOLDER"])


@worker_process_init.connect
def watch(**_: Any) -> None:
    """In the child, after its workshop is open: every station is watched."""
    from worker.stations import STATIONS  # noqa: PLC0415  torch is imported in the child only

    for kind, perform in list(STATIONS.items()):
        STATIONS[kind] = watched(perform)
    note("ready")


def watched(perform: Callable[..., Any]) -> Callable[..., Any]:
    """The same station, with a line at its beginning and one at its end."""

    def station(workshop: Any, ticket: Any, lease: Any) -> Any:
        note("began", ticket)
        if ordered("poison", ticket):
            os.kill(os.getpid(), signal.SIGKILL)
        with memory(workshop, ticket):
            outcome = perform(workshop, ticket, lease)
        note("ended", ticket)
        while ordered("hold", ticket):
            time.sleep(0.02)
        return outcome

    return station


def note(what: str, ticket: Any = None) -> None:
    """One line; lines of several processes do not mix, for each is one short write."""
    line = {"what": what, "pid": os.getpid(), "at": time.monotonic()}
    if ticket is not None:
        line |= {"unit": ticket.unit_id, "audit": ticket.audit_id, "stage": ticket.stage, "fence": ticket.fence}
    descriptor = os.open(FOLDER / "journal.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)


def order(name: str, ticket: Any) -> dict[str, Any] | None:
    """What is ordered for this unit under this name."""
    try:
        found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    mine = {"audit": ticket.audit_id, "stage": ticket.stage, "ordinal": ticket.ordinal, "fence": ticket.fence}
    return found if all(mine[key] == value for key, value in found["unit"].items()) else None


def ordered(name: str, ticket: Any) -> bool:
    """Whether anything is."""
    return order(name, ticket) is not None


@contextmanager
def memory(workshop: Any, ticket: Any) -> Iterator[None]:
    """Little of it while the unit is worked on, if that is ordered."""
    found = order("memory", ticket)
    if found is None:
        yield
        return
    with rows_at_most(workshop, found["rows"]) if "rows" in found else bytes_at_most(found["bytes"]):
        note("limited", ticket)
        yield


@contextmanager
def rows_at_most(workshop: Any, rows: int) -> Iterator[None]:
    """As if the operator had said that no more fit."""
    before, settings = workshop.settings, workshop.settings.model_copy(update={"memory_rows": rows})
    workshop.settings, workshop.models = settings, type(workshop.models)(settings.cache_bytes)
    try:
        yield
    finally:
        workshop.settings, workshop.models = before, type(workshop.models)(before.cache_bytes)


@contextmanager
def bytes_at_most(more: int) -> Iterator[None]:
    """So many more than the process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
