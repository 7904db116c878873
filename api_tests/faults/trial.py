"""One try of one fault: audits in flight, the fault, and what became of them."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from api_tests.faults import asked
from api_tests.faults.deployment import USUAL, Deployment, Setup
from api_tests.record import ENDED, TERMINAL, Unit

SEEDS = (1, 2)
PATIENCE = 120.0

Report = dict[str, Any]
Recovery = Callable[[], bool]


@dataclass
class Trial:
    """What a fault is given: the deployment, audits at work, and whether this is a try of the table's length."""

    stack: Deployment
    number: int
    full: bool
    audits: dict[str, int] = field(default_factory=dict)
    before: dict[str, Unit] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    in_flight: int = 0
    struck: float = 0.0
    mended: float = 0.0

    def submit(self, seed: int, key: str | None = None) -> str:
        """One more audit, accepted; its id."""
        answer = asked.post(self.stack.url, seed, key)
        assert answer.status_code == 202, answer.text
        return self.accepted(answer.json()["id"], seed)

    def submit_all(self) -> None:
        """The audits of a try."""
        for seed in SEEDS:
            self.submit(seed)

    def accepted(self, audit: str, seed: int) -> str:
        """From here on this audit must not be lost."""
        self.audits[audit] = seed
        return audit

    def units(self) -> dict[str, Unit]:
        """The units of all audits of this try."""
        return self.stack.record.units(list(self.audits))

    def until_working(self) -> None:
        """Past planning: a measured unit is done, and both workers have one."""

        def working() -> bool:
            found = [unit for unit in self.units().values() if unit.stage != "plan"]
            holders = {unit.pid for unit in found if unit.state == "leased"}
            return any(unit.state == "done" for unit in found) and len(holders) > 1

        self.stack.until(working, "work to be in full swing", PATIENCE)

    def held_by(self, worker: str) -> list[Unit]:
        """The units a worker has."""
        child = self.stack.child(worker)
        return [unit for unit in self.units().values() if unit.state == "leased" and unit.pid == child]

    def until_held_by(self, worker: str) -> Unit:
        """A unit the worker has just begun, so that there is time to strike."""

        def begun() -> bool:
            held = [unit for unit in self.held_by(worker) if unit.stage.startswith(("baseline", "probe"))]
            return bool(held) and held[0].id in {line["unit"] for line in self.stack.journal("began")}

        self.stack.until(begun, f"{worker} to measure", PATIENCE)
        held = self.held_by(worker)
        return held[0] if held else self.until_held_by(worker)

    def strike(self) -> None:
        """Now: what is in flight is counted, and time runs."""
        states = self.stack.record.audits(list(self.audits))
        self.in_flight = sum(state not in TERMINAL for state in states.values())
        self.before = self.units()
        self.struck = self.mended = time.monotonic()

    def mend(self) -> None:
        """The cause is gone: recovery is counted from here."""
        self.mended = time.monotonic()

    def done(self, *units: Unit) -> Recovery:
        """Holds once all of these have ended."""

        def holds() -> bool:
            found = self.units()
            return all(found[unit.id].state in ENDED for unit in units)

        return holds

    def progressed(self) -> bool:
        """Whether a unit that nobody had before the fault has been done."""
        had = {unit.id: unit.fence for unit in self.before.values() if unit.state in (*ENDED, "leased")}
        return any(unit.state == "done" and unit.fence > had.get(unit.id, 0) for unit in self.units().values())

    def wait(self, seconds: float) -> None:
        """Until every audit has ended, or is lost."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            with suppress(psycopg.OperationalError):
                states = self.stack.record.audits(list(self.audits))
                if len(states) == len(self.audits) and all(state in TERMINAL for state in states.values()):
                    return
            time.sleep(0.1)


def equal(_: Trial, report: Report, undisturbed: Report) -> list[str]:
    """Complaints if the results differ in a single bit."""
    if report["result_digest"] == undisturbed["result_digest"]:
        return []
    return [f"seed {report['request']['seed']}: the result differs in {differences(report, undisturbed)}"]


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two reports differ, but for what no digest covers."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted((one.keys() | other.keys()) - {"audit_id", "result_digest", "environment", "seconds"})
        return [d for key in keys for d in differences(one.get(key), other.get(key), f"{path}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [d for n, pair in enumerate(zip(one, other, strict=True)) for d in differences(*pair, f"{path}.{n}")]
    return [] if one == other else [path.lstrip(".")]


@dataclass(frozen=True)
class Fault:
    """A row of the table. ``provoke`` strikes, ends the cause, and returns what recovery is.

    It finds two audits submitted, unless they are not ``begun`` and it submits them itself.
    """

    title: str
    recovered: str
    provoke: Callable[[Trial], Recovery]
    agrees: Callable[[Trial, Report, Report], list[str]] = equal
    expected: str = "equal results"
    setup: Setup = USUAL
    begun: bool = True
