"""A worker under test, driven through the ledger as gateway and broker would."""

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from ledger import audits, events, intake, outbox, units
from ledger.audits import AuditRow, Submission, UnitResult
from ledger.outbox import Message
from palimpsest.contract.report import AuditReport
from palimpsest.contract.request import AuditRequest
from worker import tasks
from worker.settings import WorkerSettings
from worker.workshop import Workshop

TENANT = "local"
REQUEST: dict[str, object] = {
    "target_set": "tiny:targets",
    "probes": [{"kind": "prompt"}],
    "mitigations": [{"kind": "wanda", "timesteps": 1, "sparsity": 0.1}],
}
"""A small audit of every kind of unit."""


@dataclass
class Shop:
    """The workshop that ``worker.tasks`` has at hand."""

    workshop: Workshop
    _keys: Any = field(default_factory=count)

    @classmethod
    def open(cls, demo: Path, home: Path, **settings: Any) -> "Shop":
        """As Celery's child opens it, with the tiny model to offer."""
        plain: dict[str, Any] = {
            "home": home,
            "ledger_url": "",
            "evidence_url": "",
            "broker_url": "",
            "registrations": [demo / "registration.json"],
            "descriptor": demo / "descriptor" / "card.json",
            "threads": 1,
        }
        tasks.open_workshop(WorkerSettings(**(plain | settings)))
        [workshop] = tasks._at_hand
        return cls(workshop)

    def close(self) -> None:
        """Give the ledger's connections back."""
        self.workshop.ledger.close()

    def submit(self, request: dict[str, Any], *, deadline: float | None = None) -> str:
        """Record an audit of the tiny model; images of listed targets are kept and named by digest."""
        asked = AuditRequest.model_validate({"model": "tiny", "effort": "quick", **request})
        recorded = asked.model_dump(mode="json")
        for role in ("targets", "controls"):
            for stored, target in zip(recorded[role] or [], getattr(asked, role) or [], strict=True):
                stored["images"] = [self._keep(image.content) for image in target.images]
        key = f"key-{next(self._keys)}"
        submission = Submission(
            recorded, key, asked.model, dict(asked.labels), key, key, reuse=False, deadline_seconds=deadline
        )
        with self.workshop.ledger.writing() as connection:
            return intake.submit(connection, TENANT, submission).audit_id

    def _keep(self, content: bytes) -> dict[str, str]:
        kept = self.workshop.evidence.put(
            TENANT, content, name="target_image", kind="target_image", media_type="image/png"
        )
        return {"media_type": "image/png", "sha256": kept.digest}

    def messages(self) -> list[Message]:
        """What the broker would be given now."""
        with self.workshop.ledger.writing() as connection:
            taken = outbox.claim(connection, 1000, 30)
            outbox.published(connection, taken)
        return taken

    def ring(self, message: Message) -> None:
        """Have this very unit performed, if it is there to be taken."""
        ticket = self._claim(message, self.workshop.settings.lease_seconds, self.workshop.settings.hard_seconds)
        if ticket is not None:
            tasks.perform(self.workshop, ticket)

    def work(self) -> None:
        """Answer doorbells until none rings."""
        while rung := self.messages():
            for message in rung:
                self.ring(message)

    def audit(self, request: dict[str, Any]) -> AuditReport:
        """From submission to report."""
        audit_id = self.submit(request)
        self.work()
        return self.report(audit_id)

    def row(self, audit_id: str) -> AuditRow:
        """The audit as it stands."""
        with self.workshop.ledger.reading() as connection:
            return audits.get(connection, TENANT, audit_id)

    def report(self, audit_id: str) -> AuditReport:
        """The report as it was kept."""
        row = self.row(audit_id)
        assert row.report_digest is not None, f"{row.state}: {row.error} {row.detail}"
        return AuditReport.model_validate_json(self.workshop.evidence.get(TENANT, row.report_digest))

    def results(self, audit_id: str, stage: str | None = None) -> list[UnitResult]:
        """What its units came to."""
        with self.workshop.ledger.reading() as connection:
            return audits.results(connection, TENANT, audit_id, stage=stage)

    def history(self, audit_id: str) -> list[str]:
        """The types of its events."""
        with self.workshop.ledger.reading() as connection:
            return [event.type for event in events.after(connection, TENANT, audit_id, 0)]

    def cancel(self, audit_id: str) -> None:
        """Ask the audit to stop."""
        with self.workshop.ledger.writing() as connection:
            audits.cancel(connection, TENANT, audit_id)

    def claim(self, message: Message, *, lease: float = 60, hard: float = 600) -> units.Ticket:
        """The lease on one unit."""
        ticket = self._claim(message, lease, hard)
        assert ticket is not None
        return ticket

    def _claim(self, message: Message, lease: float, hard: float) -> units.Ticket | None:
        with self.workshop.ledger.writing() as connection:
            return units.claim(
                connection,
                TENANT,
                message.unit_id,
                owner="test",
                engine=self.workshop.engine,
                lease_seconds=lease,
                hard_seconds=hard,
            )

    def planned(self, request: dict[str, Any]) -> tuple[str, list[Message]]:
        """An audit whose plan is written down, and the doorbells that ring then."""
        audit_id = self.submit(request)
        [message] = self.messages()
        self.ring(message)
        return audit_id, self.messages()

    def states(self, audit_id: str) -> dict[str, list[tuple[str, str | None]]]:
        """State and code of every unit, by stage."""
        found: dict[str, list[tuple[str, str | None]]] = {}
        for unit in self.results(audit_id):
            found.setdefault(unit.stage, []).append((unit.state, unit.error))
        return found
