"""What stands in for a worker's stations, workshop and cards when only the queue is to be measured: units that sleep.

The celery application, the tasks, the lease and the ledger are the worker's own. The graph of stages is the one
``worker/plan.py`` lays out; how long a unit sleeps was measured (``SLEEPS``, JSON, seconds by kind of unit). Nothing of
this loads torch, so that sixteen of them fit where one engine does.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ledger import audits
from ledger.database import Ledger
from ledger.evidence import EvidenceStore, Kept
from ledger.stages import StagePlan, UnitPlan
from ledger.units import Conclusion, Ticket
from palimpsest.contract import methods
from palimpsest.contract.catalogue import MethodCard, MethodRole, ModelCard, TargetSet
from worker.settings import WorkerSettings

MODEL = "sleeper"
SIZES = (4, 8, 16, 32, 64)
"""Units of a stage: four times the workers."""
BREATH = 0.25
"""Seconds between two signs of progress."""
ROLES: dict[MethodRole, dict[str, type[methods.Params]]] = {
    "mitigation": methods.MITIGATIONS,
    "probe": methods.PROBES,
    "scorer": methods.SCORERS,
}


@dataclass
class Workshop:
    """What the tasks have at hand."""

    settings: WorkerSettings
    ledger: Ledger
    evidence: EvidenceStore
    sleeps: dict[str, float]
    owner: str
    families: list[str]
    registrations: dict[str, str] = field(default_factory=lambda: {MODEL: MODEL})
    engine: str = "0" * 64

    @classmethod
    def open(cls, settings: WorkerSettings) -> "Workshop":
        """Made once per process, after the fork."""
        sleeps = json.loads(os.environ["SLEEPS"])
        owner = f"{socket.gethostname()}:{os.getpid()}"
        places = Ledger(settings.ledger), EvidenceStore(settings.evidence)
        return cls(settings, *places, sleeps, owner, settings.families)

    @contextmanager
    def watched(self, _: Callable[[int], None]) -> Iterator[None]:
        """No model is loaded."""
        yield


@dataclass(frozen=True)
class Outcome:
    """What a unit brings."""

    result: dict[str, Any]
    kept: list[Kept] = field(default_factory=list)
    planned: list[StagePlan] | None = None
    conclusion: Conclusion | None = None


def model_card(workshop: Workshop, registration: str) -> ModelCard:
    """A model whose named sets say how many units a stage has."""
    return ModelCard(
        id=registration,
        title="Sleeps",
        family=MODEL,
        digest="0" * 64,
        parameters=0,
        resolution=64,
        tokenizer_length=77,
        layers=[],
        inapplicable=[],
        target_sets=[TargetSet(id=f"{MODEL}:{size}", title=f"{size} units a stage", size=size) for size in SIZES],
        descriptor="0" * 64,
        threshold=0.5,
    )


def method_cards() -> list[MethodCard]:
    """Every method of the contract, by name."""
    return [
        MethodCard(
            kind=kind, role=role, title=kind, citation="", threat_model=None, parameters={}, defaults={}, page=""
        )
        for role, table in ROLES.items()
        for kind in table
    ]


def graph(request: dict[str, Any]) -> list[StagePlan]:
    """Baselines and joint mitigations at once, each mitigation's probes behind it, the report last."""
    every = range(int(request["target_set"].partition(":")[2]))
    planned = [StagePlan("baseline", [UnitPlan("baseline", {"batch": n}) for n in every])]
    for mitigation in request["mitigations"]:
        name = mitigation["id"] or mitigation["kind"]
        planned.append(StagePlan(f"mitigate:{name}", [UnitPlan("mitigate", {"mitigation": name, "batch": None})]))
        probes = [UnitPlan("probe", {"mitigation": name, "batch": n}) for n in every]
        planned.append(StagePlan(f"probe:{name}", probes, after=[f"mitigate:{name}"]))
    report = StagePlan("report", [UnitPlan("report", {}, critical=True)], after=[stage.name for stage in planned])
    return [*planned, report]


def perform(workshop: Workshop, ticket: Ticket, lease: Any) -> Outcome:
    """Sleep as long as such a unit takes, and leave what its kind leaves."""
    asleep(workshop.sleeps[ticket.kind], lease)
    if ticket.kind == "plan":
        with workshop.ledger.reading() as connection:
            request = audits.get(connection, ticket.tenant, ticket.audit_id).request
        return Outcome({}, planned=graph(request))
    if ticket.kind == "report":
        content = json.dumps({"audit": ticket.audit_id}).encode()
        kept = workshop.evidence.put(
            ticket.tenant, content, name="report.json", kind="report", media_type="application/json"
        )
        return Outcome({}, [kept], conclusion=Conclusion("no_finding", "0" * 64, kept.digest))
    return Outcome({})


def asleep(seconds: float, lease: Any) -> None:
    """So long, with a sign of progress every quarter of a second."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        time.sleep(min(BREATH, left))
        lease.tick(1)


STATIONS: dict[str, Callable[[Workshop, Ticket, Any], Outcome]] = dict.fromkeys(
    ("plan", "baseline", "mitigate", "probe", "report"), perform
)
