"""The pages as a browser shows them: a real gateway in a process of its own, and Debian's Chromium."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Error, Page

from api_tests.screenshots import chromium, opened, taken, whole
from ledger import accesses
from ledger.stages import StagePlan, UnitPlan
from service.tests.conftest import Bench, Served
from service.tests.keyed import a_key
from service.tests.pictured import HOSTILE, ID, audited

Asked = Callable[..., dict[str, Any]]
Serve = Callable[..., Served]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all."""
    with chromium() as started:
        yield started


@pytest.fixture
def audit_id(bench: Bench, asked: Asked, inline: Callable[..., dict[str, str]]) -> str:
    """An audit with a report and pictures."""
    return audited(bench, asked, inline)


def report_of(served: Served, audit_id: str) -> str:
    """The address of its page."""
    return f"{served.url}/v1/audits/{audit_id}/report"


def complaints(page: Page) -> list[str]:
    """What the browser complains of from now on: what the policy forbids, what did not load, what went wrong."""
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: told.append(str(error)))
    return told


def widths(page: Page) -> list[int]:
    """Of every picture; 0 for one that was refused."""
    return list(page.evaluate("[...document.images].map(picture => picture.naturalWidth)"))


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def contrasts(page: Page) -> list[float]:
    """WCAG's contrast of every text with what is behind it, the least first."""
    found: list[float] = page.evaluate("""() => {
      const rgb = text => text.match(/[\\d.]+/g).map(Number);
      const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
      const ground = it => { for (; it; it = it.parentElement) {
        const c = rgb(getComputedStyle(it).backgroundColor); if (c.length < 4 || c[3] === 1) return c; } };
      return [...document.querySelectorAll("body *")]
        .filter(it => [...it.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
        .filter(it => !it.closest("script, style, noscript, svg, progress, .skip"))
        .map(it => [light(rgb(getComputedStyle(it).color)), light(ground(it))])
        .map(([a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
    }""")
    return sorted(found)


def test_a_report_is_read_in_light_dark_on_a_phone_and_on_paper(
    browser: Browser, served: Serve, audit_id: str, tmp_path: Path
) -> None:
    """Its pictures are there, nothing is wider than the window, text is legible, and nothing an enemy wrote runs."""
    running = served()
    with opened(browser) as page:
        told = complaints(page)
        page.goto(report_of(running, audit_id))
        whole(page)
        assert page.title().startswith("Finding: audit")
        assert page.locator(".answer").inner_text().startswith("Finding: unmitigated, 2 of 2 targets replicate; nemo")
        # owl: target, before by caption, before by search, after by caption, after by search; the other has no target.
        assert sorted(widths(page)) == [64] + [256] * 8
        assert all(page.evaluate("[...document.images].map(picture => picture.alt.length > 10)"))
        assert page.locator("article.strip h3").all_inner_texts()[0] == ID
        assert page.locator("article.strip h3").nth(1).text_content() == HOSTILE
        assert page.locator("svg.curve").count() == 2
        assert page.locator("script").count() == 0
        assert page.locator("table").evaluate_all(
            "tables => tables.every(t => t.caption && t.querySelector('th[scope=row]'))"
        )
        assert contrasts(page)[0] >= 4.5
        page.emulate_media(color_scheme="dark")
        assert contrasts(page)[0] >= 4.5
        page.emulate_media(color_scheme="light", media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        page.screenshot(path=tmp_path / "print.png", full_page=True)
        page.emulate_media(media="screen")
        for width in (1200, 360):
            page.set_viewport_size({"width": width, "height": 800})
            assert overflow(page) <= 0, width
        page.screenshot(path=tmp_path / "phone.png", full_page=True)
        assert told == []


def test_pictures_are_for_those_who_may_read_evidence(
    browser: Browser, served: Serve, bench: Bench, audit_id: str
) -> None:
    """With keys the browser asks for one: without it nothing, with audits:read the page, with both also its pictures.
    Each picture that was seen is in the log of accesses, and none that was not."""
    running = served()
    reader, seer = a_key(bench, "audits:read"), a_key(bench, "audits:read", "evidence:read")
    shown: dict[str, list[int]] = {}
    with opened(browser) as page, pytest.raises(Error, match="ERR_INVALID_AUTH_CREDENTIALS"):
        page.goto(report_of(running, audit_id))
    for key in (reader, seer):
        with opened(browser, key=key.key) as page:
            answer = page.goto(report_of(running, audit_id))
            assert answer is not None
            assert answer.status == 200, answer.text()
            whole(page)
            assert "Finding" in page.locator(".answer").inner_text()
            shown[key.id] = sorted(set(widths(page)))
    assert shown == {reader.id: [0], seer.id: [64, 256]}
    with bench.ledger.reading() as connection:
        rows = [row for row in accesses.after(connection, "local", 0) if row.action == "evidence.read"]
    assert {row.actor for row in rows} == {seer.id}
    assert len({row.subject for row in rows}) == 4


def test_the_list_leads_to_an_audit_that_is_followed(
    browser: Browser, served: Serve, bench: Bench, asked: Asked
) -> None:
    """By a click; what happens is on the page without its being loaded again, and at the end it leads to the report."""
    audit_id = bench.submitted(asked(labels={"for": HOSTILE[:60]}))
    running = served()
    with opened(browser) as page:
        told = complaints(page)
        page.goto(running.url)
        assert page.locator("tbody tr").count() == 1
        assert contrasts(page)[0] >= 4.5
        page.get_by_role("link", name=audit_id).click()
        page.wait_for_url(f"**/audits/{audit_id}")
        assert "0 % done" in page.locator("#words").inner_text()
        page.evaluate("window.same = true")
        bench.ring()
        bench.plan(
            StagePlan("probe", [UnitPlan("probe", {}, critical=False)] * 2, after=["plan"]),
            StagePlan("report", [UnitPlan("report", {}, critical=True)], after=["probe"]),
        )
        page.get_by_role("rowheader", name="probe").wait_for()
        assert page.locator("progress").count() == 4
        bench.client.post(f"/v1/audits/{audit_id}/cancel")
        bench.write_report(b"{}")
        page.locator("#words", has_text="was cancelled").wait_for()
        assert page.evaluate("window.same") is True
        assert page.title() == f"cancelled: audit {audit_id}"
        assert told == []


def test_the_screenshots_of_the_documents_are_taken(
    browser: Browser, served: Serve, audit_id: str, tmp_path: Path
) -> None:
    """By the command that the documents name; dark is darker than light."""
    taken(browser, served().url, audit_id, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    pictures = {"audits.png", "audit.png", "report-light.png", "report-dark.png", "report-strips.png"}
    assert names == {*pictures, "report.pdf"}
    assert (tmp_path / "out" / "report.pdf").read_bytes().startswith(b"%PDF")
    bright = {}
    for scheme in ("light", "dark"):
        with Image.open(tmp_path / "out" / f"report-{scheme}.png") as picture:
            assert picture.size == (1200, 1000)
            bright[scheme] = picture.convert("L").resize((1, 1)).tobytes()[0]
    assert bright["dark"] < 80
    assert bright["light"] > 200
