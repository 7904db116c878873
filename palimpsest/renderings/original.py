"""The report that is rendered: its bytes, which every rendering names by their sha256, and what they say."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from palimpsest.contract.report import AuditReport, ModelIdentity, Verdict

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
    def baseline(self) -> ModelIdentity | None:
        """The model that the one under audit was mitigated from, where that was done elsewhere."""
        return next((model for model in self.report.models if model.role == "baseline"), None)

    @property
    def as_it_is(self) -> set[str]:
        """Ids of the mitigations under which the files of ``audited`` were drawn from as they lie.

        Beside a baseline those made elsewhere, otherwise those that do nothing. Any other was applied by the audit
        itself to a copy in memory: its verdicts are of a model that these files are not.
        """
        kind = "none" if self.baseline is None else "external"
        return {each["id"] for each in self.report.resolved.get("mitigations", []) if each["kind"] == kind}

    def model_of(self, verdict: Verdict) -> ModelIdentity:
        """The model that a verdict's mitigation was applied to: the baseline's, where there is one, but for those made
        elsewhere."""
        if self.baseline is not None and verdict.mitigation not in self.as_it_is:
            return self.baseline
        return self.audited


def written(document: Any) -> bytes:
    """JSON with sorted keys and no spaces: the same bytes for the same content."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()
