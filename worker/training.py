"""The training of a unit that may be broken off: whoever has the unit next goes on from its newest state.

A state is put into the evidence store first; then, under the unit's fence, the ledger names it and the one before is
removed (``ledger.checkpoints``). Where that does not succeed the training goes on all the same, and the next is tried.
"""

import time

import structlog

from ledger import checkpoints
from ledger.database import UNREACHABLE
from ledger.errors import EvidenceCorrupt, EvidenceMissing
from ledger.units import Ticket
from worker.engine.setting import Checkpoint
from worker.lease import Lease
from worker.workshop import Workshop

log = structlog.get_logger()

MEDIA_TYPE = "application/vnd.safetensors"


class Training:
    """What the engine is given for one held unit; its steps are the lease's."""

    def __init__(self, workshop: Workshop, ticket: Ticket, lease: Lease) -> None:
        self._workshop, self._ticket, self._lease = workshop, ticket, lease
        self._kept_at = time.monotonic()
        mark = f"{ticket.unit_id} under fence {ticket.fence}"
        self.checkpoint = Checkpoint(self.load, self.save, self.due, lease.step, mark)

    def due(self, _: int) -> bool:
        """Whether the newest state is so old that another is worth keeping."""
        return time.monotonic() - self._kept_at >= self._workshop.settings.checkpoint_seconds

    def load(self) -> bytes | None:
        """The unit's newest state; None when there is none, or it cannot be read and the training begins anew."""
        tenant, unit_id = self._ticket.tenant, self._ticket.unit_id
        with self._workshop.ledger.reading() as connection:
            digest = checkpoints.newest(connection, tenant, unit_id)
        if digest is None:
            return None
        try:
            with self._lease.kept():
                return self._workshop.evidence.get(tenant, digest)
        except (EvidenceMissing, EvidenceCorrupt) as error:
            log.warning("checkpoint.unreadable", unit=unit_id, cause=type(error).__name__)
            return None

    def save(self, content: bytes) -> None:
        """Keep a state in place of the one before. Raises StaleFence when the unit has passed to somebody else."""
        try:
            with self._lease.kept():
                self._save(content)
        except (OSError, EvidenceMissing, *UNREACHABLE) as error:
            log.warning("checkpoint.not_kept", unit=self._ticket.unit_id, cause=type(error).__name__)
        self._kept_at = time.monotonic()

    def _save(self, content: bytes) -> None:
        store, tenant = self._workshop.evidence, self._ticket.tenant
        kept = store.tried(tenant, content, name=checkpoints.NAME, kind=checkpoints.KIND, media_type=MEDIA_TYPE)
        before = self._workshop.ledger.write(lambda connection: checkpoints.keep(connection, self._ticket, kept))
        if before is not None:
            store.remove(tenant, before)
