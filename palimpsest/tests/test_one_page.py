"""``palimpsest audit report --format html`` and ``palimpsest page``: one file that needs nothing beside it."""

import base64
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from palimpsest.commands import app
from palimpsest.contract.problems import Code
from palimpsest.one_page import data_uri
from palimpsest.tests.example import AUDIT, a_problem, a_report
from palimpsest.tests.gateway import Gateway, Said, saying

DIGEST, OTHER = "ab" * 32, "cd" * 32
REPORT = f"GET /v1/audits/{AUDIT}/report"
EVIDENCE = f"GET /v1/audits/{AUDIT}/evidence"
DOCUMENT = a_report().model_dump_json().replace("sha256:00", DIGEST, 1).replace("sha256:00", OTHER).encode()
PNG = b"\x89PNG\r\n\x1a\nand so on"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are written where the test can see them."""
    monkeypatch.chdir(tmp_path)


def invoke(gateway: Gateway, *arguments: str) -> Result:
    """The command line with the gateway's address in its environment."""
    return CliRunner().invoke(app, arguments, env={"PALIMPSEST_URL": gateway.url})


def test_with_images_every_picture_is_fetched_once_and_put_in(gateway: Gateway) -> None:
    """One is there; the other's time is over, which is said, and the page does without."""
    gateway.will_say(REPORT, Said(200, DOCUMENT))
    gateway.will_say(f"{EVIDENCE}/{DIGEST}", Said(200, PNG))
    gateway.will_say(f"{EVIDENCE}/{OTHER}", saying(a_problem(410, Code.EVIDENCE_REMOVED), 410))
    result = invoke(gateway, "audit", "report", AUDIT, "--format", "html", "--images", "-o", "report.html")
    assert (result.exit_code, result.stdout) == (0, "")
    page = Path("report.html").read_text(encoding="utf-8")
    assert page.count(f'<img src="data:image/png;base64,{base64.b64encode(PNG).decode()}"') == 1
    assert page.count("<img") == 1
    assert "1 of 2 pictures are not kept any more" in result.stderr
    assert [heard.line for heard in gateway.heard] == [REPORT, f"{EVIDENCE}/{DIGEST}", f"{EVIDENCE}/{OTHER}"]


def test_a_key_that_may_not_read_evidence_makes_no_page(gateway: Gateway) -> None:
    """Asked for pictures it leaves with the refusal, not with a page that looks as if there had been none."""
    gateway.will_say(REPORT, Said(200, DOCUMENT))
    gateway.will_say(f"{EVIDENCE}/{DIGEST}", saying(a_problem(403, Code.SCOPE_MISSING), 403))
    result = invoke(gateway, "audit", "report", AUDIT, "--format", "html", "--images", "-o", "report.html")
    assert result.exit_code != 0
    assert "SCOPE_MISSING" in result.stderr
    assert not Path("report.html").exists()


def test_without_images_nothing_but_the_report_is_asked_for(gateway: Gateway) -> None:
    """The page goes to stdout, and is the one that is made of the file without a network."""
    gateway.will_say(REPORT, Said(200, DOCUMENT))
    told = invoke(gateway, "audit", "report", AUDIT, "--format", "html")
    assert told.stdout.startswith("<!DOCTYPE html>")
    assert "<img" not in told.stdout
    assert [heard.line for heard in gateway.heard] == [REPORT]
    Path("report.json").write_bytes(DOCUMENT)
    assert CliRunner().invoke(app, ["page", "report.json", "-o", "alone.html"]).exit_code == 0
    assert Path("alone.html").read_bytes() == told.stdout_bytes


def test_what_is_no_report_makes_no_page() -> None:
    """An error with a sentence."""
    Path("report.json").write_text("{}", encoding="utf-8")
    result = CliRunner().invoke(app, ["page", "report.json"])
    assert result.exit_code != 0
    assert "not a report" in result.stderr
    assert not Path("report.html").exists()


def test_images_go_with_a_page_only(gateway: Gateway) -> None:
    """Anything else is a wrong call."""
    result = invoke(gateway, "audit", "report", AUDIT, "--images")
    assert result.exit_code == 4
    assert gateway.heard == []


def test_only_a_picture_is_put_in_as_one() -> None:
    """By how it begins: an SVG could act, and a page could be anything."""
    assert data_uri(PNG) == f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert str(data_uri(b"\xff\xd8\xff\xe0")).startswith("data:image/jpeg;base64,")
    assert data_uri(b"<svg onload='x'>") is None
    assert data_uri(b"") is None
