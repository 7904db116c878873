"""The gate against a service of a few lines, over real HTTP, and without one."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from palimpsest.commands import app
from palimpsest.contract.problems import Code
from palimpsest.contract.report import AuditReport
from palimpsest.tests.example import AUDIT, a_problem, a_report, a_request, a_status
from palimpsest.tests.gateway import Gateway, Said, saying
from palimpsest.tests.test_judging import reported

SUBMIT, STATUS, REPORT = "POST /v1/audits", f"GET /v1/audits/{AUDIT}", f"GET /v1/audits/{AUDIT}/report"
REQUEST = a_request().model_dump_json(exclude_none=True)
CLEAN = reported(["not_recovered"] * 2)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written where the test can see them, and this test's pipeline is no one's summary."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def invoke(gateway: Gateway | None, *arguments: str, stdin: str = REQUEST, **environment: str) -> Result:
    """``palimpsest gate``."""
    told = environment | ({"PALIMPSEST_URL": gateway.url} if gateway else {})
    return CliRunner().invoke(app, ["gate", *arguments], input=stdin, env=told)


def answering(gateway: Gateway, report: AuditReport, state: Any = "succeeded") -> bytes:
    """Make the gateway answer an audit with this report; its bytes."""
    document = report.model_dump_json().encode()
    gateway.will_say(SUBMIT, saying(a_status("queued", progress=0.0), 202, retry_after="0"))
    gateway.will_say(STATUS, saying(a_status(), retry_after="0"), saying(a_status(state)))
    gateway.will_say(REPORT, Said(200, document))
    return document


def a_policy(place: Path, **fields: Any) -> str:
    """A policy's file."""
    place.write_text(json.dumps(fields), encoding="utf-8")
    return str(place)


@pytest.mark.parametrize(
    ("report", "code", "word"),
    [
        (CLEAN, 0, "PASS"),
        (reported(["concealed", "not_recovered"]), 1, "FINDING"),
        (reported(["inconclusive", "not_recovered"]), 2, "INCONCLUSIVE"),
        (reported(["not_detected"]), 3, "NOT APPLICABLE"),
    ],
)
def test_the_answer_is_the_exit_code(
    gateway: Gateway, tmp_path: Path, report: AuditReport, code: int, word: str
) -> None:
    """The first line is the answer, the report is written as it came, progress goes to stderr."""
    document = answering(gateway, report)
    result = invoke(gateway, "-", "--output", "mine.json")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (code, f"{word}  model bundled, audit {AUDIT}")
    assert (tmp_path / "mine.json").read_bytes() == document
    assert json.loads(gateway.heard[0].body) == json.loads(REQUEST)
    assert f"audit {AUDIT}" in result.stderr


def test_a_policy_from_a_file(gateway: Gateway, tmp_path: Path) -> None:
    """None of 2 has an upper bound of 84.19 %: too few for 5 %, enough for 85 %."""
    answering(gateway, CLEAN)
    few = invoke(gateway, "-", "--policy", a_policy(tmp_path / "policy.json", recovered_at_most=0.05))
    assert few.exit_code == 2
    assert "nemo: 0 of 2 recovered, at most 84.19% at 95 %, not 5.00%: too few targets for that bound" in few.stdout
    assert invoke(gateway, "-", "--policy", a_policy(tmp_path / "policy.json", recovered_at_most=0.85)).exit_code == 0


def test_without_a_file_the_requests_own_policy_counts(gateway: Gateway) -> None:
    """What the request does not fail on is no finding here either."""
    answering(gateway, reported(["concealed"]))
    own = json.dumps(json.loads(REQUEST) | {"policy": {"fail_on": ["still_replicates"]}})
    assert invoke(gateway, "-", stdin=own).exit_code == 0
    assert invoke(gateway, "-").exit_code == 1


@pytest.mark.parametrize("fields", [{"recovered_at_most": 2}, {"nobody_reads": 1}, {"fail_on": []}])
def test_a_broken_policy_is_wrong_usage_before_anything_is_asked(
    gateway: Gateway, tmp_path: Path, fields: dict[str, Any]
) -> None:
    """A misspelt rule must not be one that never fails."""
    assert invoke(gateway, "-", "--policy", a_policy(tmp_path / "policy.json", **fields)).exit_code == 4
    assert gateway.heard == []


def test_renderings_are_fetched(gateway: Gateway, tmp_path: Path) -> None:
    """From the service, as it rendered them; whether or not the gate passes."""
    answering(gateway, reported(["concealed"]))
    for name in ("junit", "sarif"):
        gateway.will_say(f"{REPORT}?format={name}", Said(200, name.encode()))
    assert invoke(gateway, "-", "--junit", "junit.xml", "--sarif", "report.sarif").exit_code == 1
    assert (tmp_path / "junit.xml").read_bytes() == b"junit"
    assert (tmp_path / "report.sarif").read_bytes() == b"sarif"


@pytest.mark.parametrize(("report", "code"), [(CLEAN, 2), (reported(["concealed"]), 1)])
def test_a_rendering_that_cannot_be_had_is_no_pass(gateway: Gateway, report: AuditReport, code: int) -> None:
    """The pipeline asked for a file that is not there; a finding stays one."""
    answering(gateway, report)
    gateway.will_say(f"{REPORT}?format=sarif", saying(a_problem(409, Code.REPORT_NOT_READY), 409))
    result = invoke(gateway, "-", "--sarif", "report.sarif")
    assert result.exit_code == code
    assert "report.sarif is not written" in result.stderr


def test_githubs_step_summary(gateway: Gateway, tmp_path: Path) -> None:
    """Appended to, and nothing in it is markup."""
    summary = tmp_path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    answering(gateway, reported(["concealed", "not_recovered"]))
    invoke(gateway, "-", GITHUB_STEP_SUMMARY=str(summary))
    assert summary.read_text(encoding="utf-8") == (
        f"before\n### Palimpsest: finding (`{AUDIT}`)\n\n* finding: nemo: 1 of 2 targets: t0 concealed\n\n"
    )


def test_an_audit_cut_short_is_judged_by_its_partial_report(gateway: Gateway) -> None:
    """Inconclusive, unless it has a finding; without a report at all 2, too."""
    answering(gateway, reported(["not_recovered"], state="expired"), "expired")
    assert invoke(gateway, "-").exit_code == 2
    answering(gateway, reported(["concealed", "inconclusive"], state="cancelled"), "cancelled")
    assert invoke(gateway, "-").exit_code == 1
    answering(gateway, CLEAN, "expired")
    gateway.will_say(REPORT, saying(a_problem(409, Code.REPORT_NOT_READY), 409))
    assert invoke(gateway, "-").exit_code == 2


def test_what_is_no_answer_has_its_own_codes(gateway: Gateway, tmp_path: Path) -> None:
    """2 a failed audit, 3 a method that does not apply, 4 a refusal, 5 nobody, 6 too late."""
    answering(gateway, CLEAN, "failed")
    assert invoke(gateway, "-").exit_code == 2
    gateway.will_say(STATUS, saying(a_status(), retry_after="0"))
    late = invoke(gateway, "-", "--timeout", "0")
    assert (late.exit_code, f"palimpsest audit watch {AUDIT}" in late.stderr) == (6, True)
    for code, exit_code in ((Code.METHOD_NOT_APPLICABLE, 3), (Code.NO_TARGETS, 4)):
        gateway.will_say(SUBMIT, saying(a_problem(422, code), 422))
        assert invoke(gateway, "-").exit_code == exit_code
    gateway.will_say(SUBMIT, Said(502, b"<html>", {"retry-after": "0"}))
    assert invoke(gateway, "-").exit_code == 5


def test_a_report_that_is_there_is_judged_without_a_service(tmp_path: Path) -> None:
    """No address is needed, and none is asked; one that is no report is 2."""
    (tmp_path / "report.json").write_text(a_report().model_dump_json(), encoding="utf-8")
    assert invoke(None, "--report", "report.json", PALIMPSEST_URL="http://127.0.0.1:1").exit_code == 1
    (tmp_path / "report.json").write_text("{}", encoding="utf-8")
    assert invoke(None, "--report", "report.json").exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [[], ["-", "--report", "here.json"], ["--report", "here.json", "--sarif", "x"], ["-", "--output", "no/where.json"]],
)
def test_wrong_usage(gateway: Gateway, tmp_path: Path, arguments: list[str]) -> None:
    """Neither or both of request and report; renderings of no service; no folder for what comes."""
    (tmp_path / "here.json").write_text(CLEAN.model_dump_json(), encoding="utf-8")
    assert invoke(gateway, *arguments).exit_code == 4
    assert gateway.heard == []


def test_what_cannot_be_written_is_no_finding(gateway: Gateway, tmp_path: Path) -> None:
    """Python itself would leave with 1."""
    answering(gateway, CLEAN)
    (tmp_path / "taken").mkdir()
    assert invoke(gateway, "-", GITHUB_STEP_SUMMARY=str(tmp_path / "taken")).exit_code == 2
