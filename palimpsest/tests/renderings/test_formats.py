"""The table of formats, and the page that describes them."""

from pathlib import Path

from palimpsest.renderings.formats import FORMATS, JSON, RENDERED
from palimpsest.renderings.mappings import FRAMEWORKS, MAPPINGS
from palimpsest.tests.renderings.originals import original

PAGE = (Path(__file__).parents[3] / "docs" / "reports.md").read_text()


def test_the_page_has_every_format_with_its_type() -> None:
    """A row each, and none that there is not."""
    rows = [line.split("|")[1:3] for line in PAGE.splitlines() if line.startswith("| `") and "/" in line.split("|")[2]]
    assert [(name.strip(" `"), kind.strip(" `")) for name, kind in rows] == [
        (each.name, each.media_type) for each in FORMATS.values()
    ]


def test_the_page_has_every_row_of_the_public_documents() -> None:
    """In the words of the table; and the word that is not ours to say is nowhere."""
    for mapping in MAPPINGS:
        assert f"| {mapping.framework} | {mapping.ref} | {mapping.about} | {mapping.evidence} |" in PAGE
        assert mapping.framework in FRAMEWORKS
    assert "complian" not in PAGE.lower()
    assert not any("complian" in each.render(original()).decode().lower() for each in RENDERED)


def test_the_report_itself_is_its_own_bytes() -> None:
    """It is written and not rendered, and comes first."""
    assert next(iter(FORMATS.values())) is JSON
    assert JSON.render(original()) is not None
    assert JSON.render(original()) == original().content
