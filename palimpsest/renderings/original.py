"""The report that is rendered: its bytes, which every rendering names by their sha256, and what they say."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from palimpsest.contract.report import AuditReport, ModelIdentity

NAME = "report.json"
MEDIA_TYPE = "application/json"


@dataclass(frozen=True)
class Original:
    """A report exactly as it was written."""

    content: bytes
    report: AuditReport

    @classmethod
    def read(cls, content: bytes) -> "Original":
        """From its bytes. Raises ValueError for what is no report, or one of a release with other fields."""
        return cls(content, AuditReport.model_validate_json(content))

    @property
    def sha256(self) -> str:
        """Of the bytes."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def audited(self) -> ModelIdentity:
        """The model under audit."""
        return next(model for model in self.report.models if model.role == "audited")

    @property
    def as_it_is(self) -> set[str]:
        """Ids of the mitigations under which the audited files were drawn from as they lie: none, or one made before.

        Any other was applied by the audit itself, to a copy in memory: its verdicts are of a model that the files of
        ``audited`` are not.
        """
        listed = self.report.resolved.get("mitigations", [])
        return {each["id"] for each in listed if each["kind"] in {"none", "external"}}


def written(document: Any) -> bytes:
    """JSON with sorted keys and no spaces: the same bytes for the same content."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()
