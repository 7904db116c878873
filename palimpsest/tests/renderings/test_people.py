"""The report for people: where its pictures are."""

from palimpsest.contract.report import AuditReport
from palimpsest.renderings.people import alone, render, wanted
from palimpsest.tests.example import a_report
from palimpsest.tests.renderings.originals import original

FIRST, SECOND = "ab" * 32, "cd" * 32


def pictured() -> AuditReport:
    """The example; what captions and searches drew is kept under two digests."""
    text = a_report().model_dump_json().replace("sha256:00", FIRST)
    report = AuditReport.model_validate_json(text)
    nemo = report.verdicts[2]
    seen = nemo.adversarial["adversarial_embedding"].model_copy(update={"images": [SECOND]})
    nemo = nemo.model_copy(update={"adversarial": {"adversarial_embedding": seen}})
    return report.model_copy(update={"verdicts": [*report.verdicts[:2], nemo, report.verdicts[3]]})


def test_served_every_picture_is_asked_for_beside_the_report() -> None:
    """Two targets, before by caption and search, under NeMo by caption and search: eight, of two digests."""
    page = render(original(pictured())).decode()
    assert page.count(f'<img src="evidence/{FIRST}"') == 7
    assert page.count(f'<img src="evidence/{SECOND}"') == 1
    assert "img-src data: &#39;self&#39;" in page
    assert wanted(original(pictured())) == [FIRST, SECOND]


def test_alone_it_has_those_it_was_given() -> None:
    """As data; of the others it says that there is none here, and it asks for nothing."""
    page = alone(original(pictured()), {SECOND: "data:image/png;base64,AAAA"}).decode()
    assert page.count('<img src="data:image/png;base64,AAAA"') == page.count("<img") == 1
    assert page.count("no picture here") == 2 + 7
    assert "&#39;self&#39;" not in page
    assert "<img" not in alone(original(pictured())).decode()
