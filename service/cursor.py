"""Where a listing goes on: opaque to the caller, and only good for the listing it came from."""

import base64
import binascii
import hashlib
import json
from dataclasses import asdict, dataclass

from palimpsest.contract.problems import Code, FieldProblem
from service.errors import refused


@dataclass(frozen=True)
class Selection:
    """Which audits are listed; None means all."""

    state: str | None
    model: str | None
    labels: tuple[str, ...] = ()
    """Each ``name:value``, sorted; an audit bears all of them."""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The labels as names and values."""
        split = (label.partition(":") for label in self.labels)
        return [(name, value) for name, _, value in split]


def written(selection: Selection, last: str | None) -> str | None:
    """The cursor behind the audit ``last``; None when nothing follows."""
    if last is None:
        return None
    return base64.urlsafe_b64encode(json.dumps([last, _fingerprint(selection)]).encode()).decode().rstrip("=")


def read(cursor: str | None, selection: Selection) -> str | None:
    """The audit a cursor stands behind. Refuses what ``written`` did not write for this selection."""
    if cursor is None:
        return None
    try:
        last, wanted = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise _foreign() from error
    if not isinstance(last, str) or not last.isascii() or not last.isprintable() or wanted != _fingerprint(selection):
        raise _foreign()
    return last


def _fingerprint(selection: Selection) -> str:
    """A cursor stays short, however long the labels are."""
    return hashlib.sha256(json.dumps(asdict(selection), sort_keys=True).encode()).hexdigest()[:16]


def _foreign() -> Exception:
    detail = "not a cursor of this listing: take next_cursor as it is, and keep state, model and labels as they were"
    return refused([FieldProblem(field="cursor", code=Code.MALFORMED_REQUEST, detail=detail)])
