"""Which format a caller gets."""

import pytest

from palimpsest.contract.problems import Code
from palimpsest.renderings.formats import FORMATS
from service.errors import Refusal
from service.negotiation import chosen

ACCEPTED = {
    None: "json",
    "*/*": "json",
    "application/json": "json",
    "application/*": "json",
    "application/sarif+json": "sarif",
    "APPLICATION/SARIF+JSON": "sarif",
    "text/*": "csv",
    "application/vnd.cyclonedx+json; version=1.6": "cyclonedx",
    "application/json;q=0.5, application/sarif+json": "sarif",
    "application/json, application/sarif+json;q=0.9": "json",
    "text/csv;q=0.1, application/sarif+json;q=0, */*;q=0.05": "csv",
    "application/json;q=0, */*": "dsse",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": "html",
    "application/json;q=nonsense": "json",
    "": "json",
}


@pytest.mark.parametrize("accept", ACCEPTED)
def test_accept(accept: str | None) -> None:
    """The closest range counts, then its weight, then our own order; a browser gets the page."""
    assert chosen(None, accept).name == ACCEPTED[accept]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_found_by_name_and_by_type(name: str) -> None:
    """Whatever Accept says, the name has the first word; no two share a type or a file."""
    found = FORMATS[name]
    assert chosen(found.name, "text/plain") is chosen(None, found.media_type) is found
    assert len({other.media_type for other in FORMATS.values()}) == len({other.file for other in FORMATS.values()}) == 8


@pytest.mark.parametrize(
    ("format", "accept"),
    [("pdf", None), ("", None), ("JSON", None), (None, "application/pdf"), (None, "*/*;q=0"), (None, "q=1")],
)
def test_what_there_is_not_is_406_and_says_what_there_is(format: str | None, accept: str | None) -> None:
    """One code; a name that is none is repeated up to 40 characters."""
    with pytest.raises(Refusal) as refused:
        chosen(format, accept)
    assert refused.value.code == Code.UNKNOWN_FORMAT
    assert "sarif (application/sarif+json)" in refused.value.detail
    with pytest.raises(Refusal) as long:
        chosen("x" * 1000, None)
    assert len(long.value.detail) < 500
