"""The evidence store as a unit meets it: asked again while it does not answer, for what has been computed is dear."""

import time
from collections.abc import Callable
from typing import TypeVar

from ledger.evidence import EvidenceStore, Kept
from worker.engine.folder import Watch

AGAIN_SECONDS = 1.0

Result = TypeVar("Result")


class EvidenceAway(Exception):
    """The store has not answered for long: not the unit's fault, so the unit goes back as it was."""


class PatientEvidence(EvidenceStore):
    """A full disk may have room in a moment, a store be back: for ``seconds`` that is waited for, then EvidenceAway.

    ``watch`` is told of every try, so that a unit that waits keeps its lease, and can be stopped.
    """

    def __init__(self, url: str, seconds: float) -> None:
        super().__init__(url)
        self._seconds = seconds
        self.watch: Watch | None = None

    def put(self, tenant: str, content: bytes, *, name: str, kind: str, media_type: str) -> Kept:
        """Keep the bytes durably."""
        put = super().put
        return self._patiently(lambda: put(tenant, content, name=name, kind=kind, media_type=media_type))

    def tried(self, tenant: str, content: bytes, *, name: str, kind: str, media_type: str) -> Kept:
        """As ``put``, but once: for what can be done without. Raises OSError."""
        return super().put(tenant, content, name=name, kind=kind, media_type=media_type)

    def get(self, tenant: str, digest: str) -> bytes:
        """The bytes kept under ``digest``. Raises EvidenceMissing or EvidenceCorrupt at once."""
        get = super().get
        return self._patiently(lambda: get(tenant, digest))

    def _patiently(self, ask: Callable[[], Result]) -> Result:
        ends = time.monotonic() + self._seconds
        while True:
            try:
                return ask()
            except OSError as error:
                if time.monotonic() > ends:
                    raise EvidenceAway(type(error).__name__) from error
            time.sleep(AGAIN_SECONDS)
            if self.watch is not None:
                self.watch(0)
