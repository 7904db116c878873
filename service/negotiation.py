"""In which format a report is wanted: ``?format=`` has the first word, then Accept (RFC 9110, 12.5.1), else JSON."""

import re
from dataclasses import dataclass

from palimpsest.contract.problems import Code
from palimpsest.renderings.formats import FORMATS, Format
from service.errors import FINAL, Refusal

WEIGHT = re.compile(r"q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")


@dataclass(frozen=True)
class Range:
    """One media range of an Accept header; weights that are none count as 1."""

    kind: str
    weight: float

    def precision(self, media_type: str) -> int:
        """How closely it names this type: 3 itself, 2 its kind, 1 anything, 0 not at all."""
        kind = media_type.partition("/")[0]
        return {media_type: 3, f"{kind}/*": 2, "*/*": 1}.get(self.kind, 0)


def chosen(format: str | None, accept: str | None) -> Format:
    """The format. Raises a Refusal (406) for a name that is none, and where nothing there is would be accepted."""
    if format is not None:
        if format not in FORMATS:
            raise Refusal(Code.UNKNOWN_FORMAT, f"no format is called {format[:40]!r}; {_there_are()}", headers=FINAL)
        return FORMATS[format]
    ranges = [_range(part) for part in (accept or "*/*").split(",")]
    # max() takes the first among equals: the report itself, where a caller does not care.
    best = max(FORMATS.values(), key=lambda each: weight(ranges, each.media_type))
    if weight(ranges, best.media_type) <= 0:
        raise Refusal(Code.UNKNOWN_FORMAT, f"nothing that is accepted can be told; {_there_are()}", headers=FINAL)
    return best


def weight(ranges: list[Range], media_type: str) -> float:
    """How much a type is wanted: by the closest range that names it, 0 where none does."""
    closest = max(ranges, key=lambda each: each.precision(media_type))
    return closest.weight if closest.precision(media_type) else 0.0


def _range(part: str) -> Range:
    kind, *parameters = (word.strip().lower() for word in part.split(";"))
    weights = [found[1] for found in map(WEIGHT.fullmatch, parameters) if found]
    return Range(kind, float(weights[0]) if weights else 1.0)


def _there_are() -> str:
    return "there are " + ", ".join(f"{name} ({each.media_type})" for name, each in FORMATS.items())
