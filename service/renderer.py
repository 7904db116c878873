"""Rendering and signing reports, once, when their audits have ended. Only the sweeper does it: it alone has the key."""

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import renderings
from ledger.database import Ledger
from ledger.errors import EvidenceCorrupt, EvidenceMissing
from ledger.evidence import EvidenceStore, Kept
from ledger.renderings import Due, PublicKey
from ledger.retention import REPORT
from palimpsest.renderings import dsse
from palimpsest.renderings.formats import RENDERED, Format
from palimpsest.renderings.original import Original
from palimpsest.renderings.statement import NothingToState
from service.observability import places
from service.signing import public_pem

log = structlog.get_logger()

BATCH = 10
"""Reports rendered in one sweep."""

MOST_TRIES = 3
"""After so many that came to nothing, not even an error, a report is given up: it has ended the process each time."""


class Renderer:
    """What one sweeper renders. Any number may: a report is settled once, whoever is first.

    ``limit`` is the bytes of a report that is rendered: about twelve times as much memory is taken.
    """

    def __init__(self, ledger: Ledger, store: EvidenceStore, key: Ed25519PrivateKey | None, *, limit: int) -> None:
        self._ledger, self._store, self._key, self._limit = ledger, store, key, limit
        self._public: PublicKey | None = None
        if key is not None:
            self._public = PublicKey(dsse.keyid(key.public_key()), public_pem(key).decode(), since=0.0)

    def render(self) -> int:
        """The reports that have waited longest; how many were settled. Raises OSError when the store is away."""
        with self._ledger.reading() as connection:
            due = renderings.due(connection, BATCH)
        return sum(self._settled(which) for which in due)

    def _settled(self, which: Due) -> bool:
        tries = self._ledger.write(lambda connection: renderings.begin(connection, which))
        if tries is None:
            return False
        try:
            kept = self._kept(which) if tries <= MOST_TRIES else self._given_up(which, "tried too often")
            return self._ledger.write(lambda connection: renderings.settle(connection, which, kept, self._public))
        except EvidenceMissing:
            # What was put was condemned and has just been removed: it is put again at the next sweep.
            self._give_back(which)
            return False
        except OSError:
            self._give_back(which)
            raise

    def _give_back(self, which: Due) -> None:
        self._ledger.write(lambda connection: renderings.give_back(connection, which))

    def _kept(self, which: Due) -> list[Kept]:
        """Everything the report can be rendered to; nothing where it is too large, gone, damaged or not readable."""
        if which.size > self._limit:
            return self._given_up(which, "too large", bytes=which.size)
        try:
            original = Original.read(self._store.get(which.tenant, which.report_digest))
        except (EvidenceMissing, EvidenceCorrupt, ValueError) as error:
            return self._given_up(which, type(error).__name__)
        made = [(each, self._made(each, original, which)) for each in RENDERED]
        return [
            self._store.put(which.tenant, content, name=each.file, kind=REPORT, media_type=each.media_type)
            for each, content in made
            if content is not None
        ]

    def _made(self, format: Format, original: Original, which: Due) -> bytes | None:
        """One rendering; None where there is nothing to state, no key to sign it, or a fault in this very format."""
        if format.signed and self._key is None:
            return None
        try:
            content = format.render(original)
        except NothingToState:
            return None
        except Exception as error:  # noqa: BLE001  a fault in one format must neither take the others nor the sweeper along
            log.error("fault", audit=which.audit_id, format=format.name, error=type(error).__name__, at=places(error))
            return None
        return dsse.signed(content, self._key) if format.signed and self._key is not None else content

    def _given_up(self, which: Due, error: str, **more: int) -> list[Kept]:
        log.error("report cannot be rendered", audit=which.audit_id, error=error, **more)
        return []
