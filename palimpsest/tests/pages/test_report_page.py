"""The page of a report, as HTML."""

import json
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest

from palimpsest.contract.report import AuditReport
from palimpsest.pages.report_page import SIGNS, WORDS
from palimpsest.pages.strips import MOST
from palimpsest.renderings.people import render
from palimpsest.tests.example import a_report, with_the_owl_in_a_region
from palimpsest.tests.renderings.originals import original, with_verdicts

ENEMY = "\"'><script>alert(1)</script><img src=//evil/x onerror=alert(1)>"


class Reader(HTMLParser):
    """The elements of a page, its text, and the attributes that could act."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.acting: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count it."""
        self.elements[tag] += 1
        self.acting += [(n, v) for n, v in attrs if n.startswith("on") or n in {"href", "src", "style", "action"}]

    def handle_data(self, data: str) -> None:
        """Keep it."""
        self.text.append(data)


def spoiled(value: Any) -> Any:
    """A report whose every free text is an enemy's."""
    kept = {"verdict", "outcome", "state", "reference", "kind", "role"}
    if isinstance(value, dict):
        return {name: each if name in kept else spoiled(each) for name, each in value.items()}
    if isinstance(value, list):
        return [spoiled(each) for each in value]
    return ENEMY if isinstance(value, str) else value


def test_whatever_a_report_says_is_text() -> None:
    """With every string an enemy's, the page has the elements it had, and nothing that acts."""
    honest = Reader(render(original()))
    data = spoiled(json.loads(a_report().model_dump_json()))
    page = Reader(render(original(AuditReport.model_validate(data))))
    assert page.elements["script"] == page.elements["img"] == 0
    assert set(page.elements) <= set(honest.elements)
    assert [value for _, value in page.acting] == ["data:,", "#answer"]
    assert any(ENEMY in text for text in page.text)


def test_the_answer_comes_first_and_every_part_is_there() -> None:
    """In one sentence; then headings in their order, each once."""
    page = Reader(render(original()))
    text = "\n".join(page.text)
    parts = [
        "Finding: unmitigated, 2 of 2 targets replicate; nemo only conceals 1 of 2 targets.",
        "The mitigations compared",
        "How soon the search brings targets back",
        "Target by target",
        "What detectors say of the captions",
        "What the mitigations cost, and where the memories are",
        "What was not tested",
        "one start per target",
        "How to reproduce it",
        "sha256:02",
        original().sha256,
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert page.elements["h1"] == page.elements["main"] == page.elements["header"] == page.elements["footer"] == 1


def test_equal_reports_make_equal_pages_which_say_what_they_may_load() -> None:
    """No clock, no address of elsewhere; the policy stands in the page itself."""
    page = render(original())
    assert page == render(original())
    assert b"http://" not in page
    assert b"https://" not in page
    assert b'http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;' in page


@pytest.mark.parametrize("word", WORDS)
def test_a_verdict_is_a_word_and_a_sign(word: str) -> None:
    """Never a colour alone."""
    page = render(with_verdicts(word)).decode()
    assert f'<span aria-hidden="true">{SIGNS[word]}</span> {WORDS[word]}</span>' in page
    assert len(set(SIGNS.values())) == len(SIGNS) == 6


def test_a_report_of_nothing_is_a_page() -> None:
    """An audit that ended before its model was read has neither model nor verdict."""
    empty = a_report("failed")
    summary = empty.summary.model_copy(update={"outcome": "error", "mitigations": []})
    changes: dict[str, Any] = {
        "models": [],
        "judges": [],
        "verdicts": [],
        "detections": [],
        "analyses": {},
        "resolved": {},
        "summary": summary,
    }
    page = render(original(empty.model_copy(update=changes))).decode()
    assert "Partial report of a failed audit." in page
    assert "How soon" not in page


def test_what_is_left_out_is_counted() -> None:
    """Of 63 targets 60 are shown."""
    page = render(with_verdicts(*["not_recovered"] * (MOST + 3))).decode()
    assert "The 60 targets with the gravest verdicts; 3 more are in the report itself." in page
    assert page.count("<article") == MOST


def test_the_request_can_be_copied() -> None:
    """It is the request as JSON; what would turn the direction of the text beside it is written as an escape."""
    report = a_report()
    request = report.request | {"labels": {"for": "\u202egnp.exe"}}
    page = Reader(render(original(report.model_copy(update={"request": request}))))
    [told] = [text for text in page.text if text.startswith("{\n")]
    assert "\u202e" not in told
    assert json.loads(told) == request


def test_a_region_is_framed_on_the_targets_picture() -> None:
    """In hundredths of the picture, whatever its size; the sentence stands above it, and the answer counts it."""
    report = with_the_owl_in_a_region()
    targets = [{"id": "owl", "images": [{"sha256": "ab" * 32}]}]
    shown = original(report.model_copy(update={"request": report.request | {"targets": targets}}))
    page = render(shown).decode()
    assert '<rect x="25.0" y="50.0" width="50.0" height="25.0"/>' in page
    assert page.count('class="judged"') == 1
    assert "Judged in the region x 0.25–0.75, y 0.5–0.75 of its image" in page
    assert "1 of 2 targets are judged in a region of their image" in page
