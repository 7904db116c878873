"""Where audits stand: for everybody who polls at the same moment one indexed read, and each revision told once.

A poll reads the revision by primary key, always. The status document is only made when there is a revision that has not
been told yet, or when it is a second old: what an audit waits for may change without it.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ledger import audits, waiting
from ledger.audits import AuditRow
from ledger.database import Ledger
from ledger.errors import NotFound
from ledger.events import Mark
from ledger.lookout import Lookout
from palimpsest.contract.status import TERMINAL
from service import answers
from service.identity import checked
from service.together import Together, in_thread

MOST_KEPT = 1000
"""Status documents kept, those made longest ago forgotten first; some kilobytes each."""

FRESH_SECONDS = 1.0

Key = tuple[str, str]


@dataclass(frozen=True)
class Told:
    """One revision of an audit: the row without its request, the status document, and when that was made."""

    row: AuditRow
    body: bytes
    at: float

    def serves(self, mark: Mark, known: str | None, now: float) -> bool:
        """Whether it answers a poll now: it is of this revision, and fresh, final, or known to the caller anyway.

        What an audit waits for changes without its revision, and who knows what it was wants to know what it is.
        """
        is_fresh = self.row.state in TERMINAL or now - self.at < FRESH_SECONDS
        is_known = self.row.waiting is None and answers.is_current(known, self.row)
        return self.row.revision >= mark.revision and (is_fresh or is_known)


class Standings:
    """What GET /v1/audits/{id} knows."""

    def __init__(self, ledger: Ledger, lookout: Lookout) -> None:
        self._ledger, self._lookout = ledger, lookout
        self._marks: Together[Key, Mark] = Together(self._read_marks)
        self._rows: Together[Key, Told] = Together(in_thread(self._read_rows))
        self._kept: OrderedDict[Key, Told] = OrderedDict()

    async def told(self, tenant: str, audit_id: str, known: str | None = None) -> Told:
        """The audit as it stands; ``known`` is the caller's If-None-Match. Raises NotFound, also for another tenant's.

        To a caller who has this revision already nothing is told again, so that its document may be old.
        """
        key = tenant, checked(audit_id)
        mark = await self._marks.ask(key)
        kept = self._kept.get(key)
        if kept is not None and kept.serves(mark, known, time.monotonic()):
            return kept
        return self._keep(key, await self._rows.ask(key))

    def _keep(self, key: Key, told: Told) -> Told:
        self._kept[key] = told
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return told

    async def _read_marks(self, keys: Sequence[Key]) -> list[Mark | Exception]:
        found = await self._lookout.marks(keys)
        return [found.get(key) or NotFound(key[1]) for key in keys]

    def _read_rows(self, keys: Sequence[Key]) -> list[Told | Exception]:
        told: dict[Key, Told] = {}
        with self._ledger.reading() as connection:
            for tenant in {tenant for tenant, _ in keys}:
                ids = sorted({audit_id for its, audit_id in keys if its == tenant})
                waits = waiting.of_several(connection, tenant, ids)
                for audit_id, found in audits.several(connection, tenant, ids).items():
                    row = replace(found, waiting=waits.get(audit_id))
                    body = answers.status(row).model_dump_json().encode()
                    told[tenant, audit_id] = Told(row, body, time.monotonic())
        return [told.get(key) or NotFound(key[1]) for key in keys]
