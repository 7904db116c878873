"""Why something was refused."""

import pytest
from pydantic import ValidationError

from palimpsest.contract import problems
from palimpsest.contract.problems import Code, Problem
from palimpsest.tests.example import a_problem


def test_a_problem_is_what_rfc_9457_calls_one() -> None:
    """Its five members, a stable code and the fields at fault."""
    assert a_problem().body() == {
        "type": "urn:palimpsest:problem:NO_TARGETS",
        "title": "There are no targets",
        "status": 422,
        "detail": "targets: an empty list",
        "instance": "urn:palimpsest:request:1",
        "code": "NO_TARGETS",
        "errors": [{"field": "targets", "code": "NO_TARGETS", "detail": "an empty list"}],
    }


def test_every_code_stands_in_the_tree() -> None:
    """The module's docstring names each code once, and none besides."""
    words = [word for word in (problems.__doc__ or "").split() if word.isupper() and "_" in word]
    assert sorted(words) == sorted(Code)


def test_a_newer_code_reads_as_itself() -> None:
    """An older client still learns why it was refused; the codes it knows stay the same."""
    newer = Problem.model_validate(a_problem().body() | {"code": "NOT_YET_INVENTED"})
    assert newer.code == "NOT_YET_INVENTED"
    assert newer.body()["code"] == "NOT_YET_INVENTED"
    assert "NOT_YET_INVENTED" not in list(Code)
    assert Code("NO_TARGETS") is Code.NO_TARGETS


def test_a_code_is_text() -> None:
    """Anything else is no code, of whichever release."""
    with pytest.raises(ValidationError):
        Problem.model_validate(a_problem().body() | {"code": 5})
