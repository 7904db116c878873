"""Where a unit puts its evidence: written at once, named in the ledger when the unit finishes."""

from ledger import exports
from ledger.evidence import EvidenceStore, Kept
from worker.engine import export
from worker.engine.conditioning import Conditioning
from worker.engine.edits import DELTA, Edit
from worker.engine.model import DiffusionModel

SAFETENSORS = "application/vnd.safetensors"
KINDS = {"image/png": "image", SAFETENSORS: "embedding"}


class Shelf:
    """One unit's part of the store."""

    def __init__(self, store: EvidenceStore, tenant: str) -> None:
        self._store, self._tenant = store, tenant
        self.kept: list[Kept] = []

    def keep(self, name: str, content: bytes, media_type: str, kind: str = "") -> str:
        """The digest under which the bytes are now kept."""
        kept = self._store.put(self._tenant, content, name=name, kind=kind or KINDS[media_type], media_type=media_type)
        self.kept.append(kept)
        return kept.digest

    def keep_edit(self, model: DiffusionModel, edit: Edit | Conditioning) -> str:
        """The digest of what the probes go by.

        A joint edit of weights is kept as the delta that can be taken away, and where it is one of masks, beside them.
        """
        if isinstance(edit, Conditioning):
            return self.keep("conditioning.json", edit.dumps(), "application/json", "artifact")
        if edit.joint:
            delta = self.keep(exports.NAME, export.delta(model, edit), SAFETENSORS, "artifact")
            if edit.what == DELTA:
                return delta
        return self.keep("edit.safetensors", edit.dumps(), SAFETENSORS, "artifact")
