"""The vocabulary of refusals, and that nothing leaves the gateway as anything else."""

import re
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from palimpsest.contract.problems import Code, FieldProblem, Problem
from service.errors import STATUS, refused
from service.tests.conftest import Bench

PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()
OVER_HTTP, IN_REPORTS = PAGE.split("\n# In reports and statuses\n")


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_one_heading(code: Code) -> None:
    """In docs/errors.md, in the half that says where it is met."""
    half = OVER_HTTP if code in STATUS else IN_REPORTS
    assert len(re.findall(rf"^## {code}$", half, re.MULTILINE)) == 1
    assert len(re.findall(rf"^## {code}$", PAGE, re.MULTILINE)) == 1


def test_every_heading_is_a_code() -> None:
    """No page for what does not exist any more."""
    assert set(re.findall(r"^## (.+)$", PAGE, re.MULTILINE)) == set(Code)


@pytest.mark.parametrize("code", sorted(STATUS))
def test_every_heading_of_a_refusal_begins_with_its_status(code: Code) -> None:
    """The page and the table agree."""
    paragraph = re.split(rf"^## {code}$", OVER_HTTP, flags=re.MULTILINE)[1].lstrip()
    assert paragraph.startswith(f"{STATUS[code].status}. ")


def test_what_is_not_there_is_a_problem(bench: Bench) -> None:
    """404 and 405, the latter with every method that goes."""
    lost = bench.client.get("/v1/audit")
    assert (lost.status_code, lost.json()["code"]) == (404, "ROUTE_NOT_FOUND")
    for address, allowed in (
        ("/v1/audits", {"GET", "POST"}),
        ("/healthz", {"GET"}),
        ("/openapi.json", {"GET", "HEAD"}),
    ):
        wrong = bench.client.delete(address)
        assert (wrong.status_code, wrong.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert set(wrong.headers["Allow"].split(", ")) == allowed


def test_a_problem_is_the_contracts_and_carries_the_request_id(bench: Bench) -> None:
    """The body is a Problem whose instance names the id that the header echoes."""
    answer = bench.client.get("/nowhere", headers={"X-Request-Id": "pipeline-7"})
    problem = Problem.model_validate(answer.json())
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-Id"] == "pipeline-7"
    assert problem.type == "urn:palimpsest:problem:ROUTE_NOT_FOUND"
    assert problem.instance == "urn:palimpsest:request:pipeline-7"


def test_a_fault_says_nothing_of_the_inside(bench: Bench) -> None:
    """An exception nobody expected is 500 INTERNAL_ERROR; its kind and place are in the log, its words are not."""

    def broken() -> None:
        raise ZeroDivisionError("SECRET")

    bench.client.app.add_api_route("/broken", broken)  # type: ignore[attr-defined]
    with capture_logs() as logs:
        answer = bench.client.get("/broken", headers={"X-Request-Id": "pipeline-7"})
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    assert answer.headers["X-Request-Id"] == "pipeline-7"
    assert "SECRET" not in answer.text
    assert "SECRET" not in str(logs)
    fault = next(line for line in logs if line["event"] == "fault")
    assert (fault["request"], fault["error"]) == ("pipeline-7", "ZeroDivisionError")
    assert "broken" in fault["at"][-1]


def test_a_refusal_takes_the_code_of_its_first_problem() -> None:
    """And says how many more there are."""
    first = FieldProblem(field="model", code=Code.UNKNOWN_MODEL, detail="no such model")
    second = FieldProblem(field="", code=Code.MALFORMED_REQUEST, detail="odd")
    assert (refused([first]).code, refused([first]).detail) == (Code.UNKNOWN_MODEL, "model: no such model")
    assert refused([second, first]).detail == "odd (and 1 more, see errors)"
