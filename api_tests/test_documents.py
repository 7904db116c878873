"""What the documents say can be followed."""

import re
from pathlib import Path

import pytest

from api_tests.stack import ROOT

LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)[^)]*\)")
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "deploy").glob("*.md"),
        ROOT / "worker/demo/MODEL_CARD.md",
    ]
)
VERB = re.compile(r"`make ([a-z-]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    """Relative ones, to files that are there."""
    dangling = [link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()]
    assert dangling == []


def test_every_verb_is_one_of_the_makefile() -> None:
    """What the documents tell a reader to make."""
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {verb for document in DOCUMENTS for verb in VERB.findall(document.read_text())}
    assert named - verbs == set()
