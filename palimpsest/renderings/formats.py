"""Every format a report can be had in: its name, its media type, the file it makes, and whether it is signed."""

from collections.abc import Callable
from dataclasses import dataclass

from palimpsest.renderings import (
    cyclonedx,
    in_toto_test_result,
    junit,
    memorization_audit,
    nemo_csv,
    original,
    people,
    sarif,
)
from palimpsest.renderings.original import Original


@dataclass(frozen=True)
class Format:
    """One format. ``signed``: what ``render`` makes is the payload of an envelope; ``shown``: a browser shows it."""

    name: str
    media_type: str
    file: str
    render: Callable[[Original], bytes]
    signed: bool = False
    shown: bool = False


JSON = Format("json", original.MEDIA_TYPE, original.NAME, lambda of: of.content)
"""The report itself, which is written and not rendered."""

RENDERED = (
    Format("dsse", "application/vnd.dsse+json", "report.dsse.json", memorization_audit.render, signed=True),
    Format(
        "test-result",
        "application/vnd.in-toto.test-result+dsse",
        "report.test-result.dsse.json",
        in_toto_test_result.render,
        signed=True,
    ),
    Format("cyclonedx", "application/vnd.cyclonedx+json", "report.cdx.json", cyclonedx.render),
    Format("sarif", "application/sarif+json", "report.sarif", sarif.render),
    Format("junit", "application/junit+xml", "report.junit.xml", junit.render),
    Format("csv", "text/csv", "report.csv", nemo_csv.render),
    Format("html", "text/html", "report.html", people.render, shown=True),
)

FORMATS = {each.name: each for each in (JSON, *RENDERED)}
"""By name, the report itself first."""
