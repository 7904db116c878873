"""Pictures of the pages, taken in Chromium: ``python -m api_tests.screenshots URL AUDIT_ID FOLDER``.

    audits.png                          the list at /
    audit.png                           one audit, where it stands
    report-light.png, report-dark.png   the top of the report
    report-strips.png                   a target that is only concealed, or else the first, before and after
    report.pdf                          the whole, as it is printed

Chromium is Debian's, and is installed when root asks. The key is that of PALIMPSEST_API_KEY, which a browser sends as a
password. Taking them is reading the report and its pictures: it is recorded like any other reading.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from ledger.tests.programs import find

SIZE = (1200, 1000)
PATIENCE = 60_000
"""Milliseconds for whatever is waited for, on a machine that has other things to do."""

ALL_PICTURES = """() => Promise.all([...document.images].map(picture => new Promise(done => {
  picture.loading = "eager";
  if (picture.complete) return done();
  for (const end of ["load", "error"]) picture.addEventListener(end, done);
})))"""
"""Asked by a promise: what Playwright would poll with is what the pages' policy forbids."""

Scheme = Literal["light", "dark"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window; as root it has no sandbox of its own."""
    alone = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        program = find("chromium", package="chromium")
        browser = playwright.chromium.launch(executable_path=program, args=[*alone, "--disable-gpu"], timeout=PATIENCE)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, scheme: Scheme = "light", key: str | None = None) -> Iterator[Page]:
    """A page of a profile of its own, which is asked for a key and has this one."""
    told = {"username": "key", "password": key} if key else None
    size = {"width": SIZE[0], "height": SIZE[1]}
    context = browser.new_context(color_scheme=scheme, http_credentials=told, viewport=size)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE)
    try:
        yield context.new_page()
    finally:
        context.close()


def whole(page: Page) -> None:
    """Return when every picture of the page is there, also those far down, or has been refused."""
    page.evaluate(ALL_PICTURES)


def taken(browser: Browser, url: str, audit_id: str, folder: Path, key: str | None = None) -> None:
    """Every picture of the list above, into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with opened(browser, "light", key) as page:
        for address, name in (("/", "audits"), (f"/audits/{audit_id}", "audit")):
            page.goto(url + address)
            page.locator("body").screenshot(path=folder / f"{name}.png")
    schemes: tuple[Scheme, ...] = ("light", "dark")
    for scheme in schemes:
        with opened(browser, scheme, key) as page:
            page.goto(f"{url}/v1/audits/{audit_id}/report?format=html")
            whole(page)
            page.screenshot(path=folder / f"report-{scheme}.png")
            if scheme == "light":
                strips = page.locator("article.strip")
                concealed = strips.filter(has_text="only concealed")
                (concealed if concealed.count() else strips).first.screenshot(path=folder / "report-strips.png")
                page.pdf(path=folder / "report.pdf", format="A4", print_background=True)


if __name__ == "__main__":
    with chromium() as started:
        address, audit, out = sys.argv[1:4]
        taken(started, address.rstrip("/"), audit, Path(out), os.environ.get("PALIMPSEST_API_KEY"))
