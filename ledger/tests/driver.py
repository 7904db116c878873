"""What the tests do to a ledger, one transaction each, as gateway, worker and sweeper would."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, Self

from sqlalchemy import Connection, Table, select

from ledger import audits, events, intake, outbox, schema, units
from ledger.database import Ledger
from ledger.evidence import Kept
from ledger.stages import StagePlan, UnitPlan

TENANT = "local"
ENGINE = "engine-1"
CONCLUSION = units.Conclusion(outcome="finding", result_digest="r" * 64, report_digest="e" * 64)


def stage(name: str, size: int, *after: str, kind: str = "work", critical: bool = False) -> StagePlan:
    """A stage of ``size`` like units."""
    return StagePlan(name, [UnitPlan(kind, {"item": n}, critical) for n in range(size)], list(after))


def report(*after: str) -> StagePlan:
    """The stage that ends an audit."""
    return stage("report", 1, *after, kind="report", critical=True)


@dataclass(frozen=True)
class UnitRow:
    """A unit as the table has it."""

    id: str
    audit_id: str
    stage: str
    ordinal: int
    kind: str
    state: str
    attempt: int
    fence: int
    progress: float
    error: str | None


class Crash(Exception):
    """What befalls a process in mid-transaction."""


class Driver:
    """A ledger under test."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._keys = count()

    @classmethod
    def open(cls, url: str) -> Self:
        """The ledger of another process."""
        return cls(Ledger(url))

    @contextmanager
    def crashing(self) -> Iterator[Connection]:
        """A writer that crashes after all it wrote."""
        with suppress(Crash), self.ledger.writing() as connection:
            yield connection
            raise Crash

    def submission(self, **changes: Any) -> audits.Submission:
        """A request with a key of its own."""
        key = f"key-{next(self._keys)}"
        plain: dict[str, Any] = {
            "request": {"model": "bundled"},
            "request_digest": "d" * 64,
            "model_id": "bundled",
            "labels": {},
            "key": key,
            "fingerprint": f"fingerprint of {key}",
            "reuse": False,
        }
        return audits.Submission(**(plain | changes))

    def submit(self, tenant: str = TENANT, **changes: Any) -> str:
        """A new audit, queued."""
        with self.ledger.writing() as connection:
            return intake.submit(connection, tenant, self.submission(**changes)).audit_id

    def planned(self, *plans: StagePlan, tenant: str = TENANT, **changes: Any) -> str:
        """A new audit, running, whose plan is written down."""
        audit_id = self.submit(tenant, **changes)
        self.finish(self.claim(audit_id, "plan", tenant=tenant), planned=list(plans))
        return audit_id

    def try_claim(
        self, unit_id: str, *, lease: float = 60, hard: float = 600, engine: str = ENGINE, tenant: str = TENANT
    ) -> units.Ticket | None:
        """What a worker gets for a message that names this unit."""
        with self.ledger.writing() as connection:
            return units.claim(
                connection, tenant, unit_id, owner="worker-1", engine=engine, lease_seconds=lease, hard_seconds=hard
            )

    def claim_next(
        self,
        *,
        lease: float = 60,
        engine: str = ENGINE,
        families: Collection[str] | None = None,
        owner: str = "worker-1",
    ) -> units.Ticket | None:
        """What a worker gets that asks whose turn it is."""
        with self.ledger.writing() as connection:
            return units.claim_next(
                connection, owner=owner, engine=engine, families=families, lease_seconds=lease, hard_seconds=600
            )

    def claim(
        self,
        audit_id: str,
        stage: str,
        ordinal: int = 0,
        *,
        lease: float = 60,
        hard: float = 600,
        tenant: str = TENANT,
    ) -> units.Ticket:
        """The lease on a unit that is there to be taken; ``lease=-1`` has lapsed at once."""
        ticket = self.try_claim(self.unit(audit_id, stage, ordinal).id, lease=lease, hard=hard, tenant=tenant)
        assert ticket is not None, f"{stage} {ordinal} cannot be claimed"
        return ticket

    def finish(self, ticket: units.Ticket, *kept: Kept, planned: list[StagePlan] | None = None) -> None:
        """Finish the unit; a report also concludes its audit."""
        conclusion = CONCLUSION if ticket.kind == "report" else None
        with self.ledger.writing() as connection:
            units.finish(connection, ticket, {"n": ticket.ordinal}, list(kept), planned=planned, conclusion=conclusion)

    def renew(self, ticket: units.Ticket, *, lease: float = 60, progress: float = 0.5) -> bool:
        """Renew the lease; whether to go on."""
        with self.ledger.writing() as connection:
            return units.renew(connection, ticket, lease_seconds=lease, progress=progress)

    def fail(self, ticket: units.Ticket, *, again: bool) -> None:
        """Fail the unit as a worker would that ran out of memory."""
        with self.ledger.writing() as connection:
            units.fail(connection, ticket, code="OUT_OF_MEMORY", detail="64 MB short", again=again)

    def give_back(self, ticket: units.Ticket) -> None:
        """Return the unit at a shutdown."""
        with self.ledger.writing() as connection:
            units.give_back(connection, ticket)

    def abandon(self, ticket: units.Ticket) -> None:
        """Stop the unit."""
        with self.ledger.writing() as connection:
            units.abandon(connection, ticket)

    def cancel(self, audit_id: str, tenant: str = TENANT) -> None:
        """Cancel the audit."""
        with self.ledger.writing() as connection:
            audits.cancel(connection, tenant, audit_id)

    def expire_leases(self) -> int:
        """The sweeper's look at the leases."""
        with self.ledger.writing() as connection:
            return units.expire_leases(connection)

    def expire_overdue(self) -> int:
        """The sweeper's look at the audits' deadlines."""
        with self.ledger.writing() as connection:
            return audits.expire_overdue(connection)

    def take_messages(self, limit: int = 100, seconds: float = 30) -> list[outbox.Message]:
        """What a publisher takes."""
        with self.ledger.writing() as connection:
            return outbox.claim(connection, limit, seconds)

    def publish(self) -> list[outbox.Message]:
        """Take every waiting message and have it published."""
        with self.ledger.writing() as connection:
            messages = outbox.claim(connection, 1000, 30)
            outbox.published(connection, messages)
        return messages

    def audit(self, audit_id: str, tenant: str = TENANT) -> audits.AuditRow:
        """The audit as it stands."""
        with self.ledger.reading() as connection:
            return audits.get(connection, tenant, audit_id)

    def audits(self) -> list[audits.AuditRow]:
        """Every audit as it stands."""
        with self.ledger.reading() as connection:
            return audits.page(connection, TENANT, limit=1000)

    def history(self, audit_id: str) -> list[str]:
        """The types of its events, in order."""
        with self.ledger.reading() as connection:
            return [event.type for event in events.after(connection, TENANT, audit_id, 0)]

    def units(self, audit_id: str | None = None) -> list[UnitRow]:
        """The units of an audit, or of all of them, stage by stage."""
        columns = [schema.units.c[name] for name in UnitRow.__dataclass_fields__]
        chosen = select(*columns).order_by("audit_id", "stage", "ordinal")
        if audit_id is not None:
            chosen = chosen.where(schema.units.c.audit_id == audit_id)
        with self.ledger.reading() as connection:
            return [UnitRow(*row) for row in connection.execute(chosen)]

    def unit(self, audit_id: str, stage: str, ordinal: int = 0) -> UnitRow:
        """One of its units."""
        (found,) = (row for row in self.units(audit_id) if (row.stage, row.ordinal) == (stage, ordinal))
        return found

    def states(self, audit_id: str) -> dict[str, list[str]]:
        """The states of its units, by stage."""
        found: dict[str, list[str]] = {}
        for row in self.units(audit_id):
            found.setdefault(row.stage, []).append(row.state)
        return found

    def rows(self, table: Table) -> Sequence[Any]:
        """Everything in a table."""
        return self.everything(table)[table.name]

    def everything(self, *tables: Table) -> dict[str, Sequence[Any]]:
        """Everything in these tables, or in all, at one moment."""
        with self.ledger.reading() as connection:
            return {
                table.name: connection.execute(select(table).order_by(*table.primary_key)).all()
                for table in tables or schema.metadata.sorted_tables
            }
