"""The test result, and above all what never passes."""

import json
from typing import Any

import google.protobuf.json_format as pb_json
import pytest
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from palimpsest.contract.verdicts import VERDICTS
from palimpsest.renderings import in_toto_test_result, memorization_audit
from palimpsest.renderings.original import Original
from palimpsest.renderings.statement import NothingToState
from palimpsest.tests.example import FILES, a_report
from palimpsest.tests.renderings.originals import beside_a_baseline, original, with_verdicts

UNTOUCHED = "none"


def statement(of: Original) -> dict[str, Any]:
    """What is rendered."""
    return dict(json.loads(in_toto_test_result.render(of)))


def result(of: Original) -> str:
    """The one word."""
    return str(statement(of)["predicate"]["result"])


@pytest.mark.parametrize("kind", [in_toto_test_result, memorization_audit])
def test_in_totos_own_bindings_read_it(kind: Any) -> None:
    """The statement parses into in-toto's protobuf message, unknown fields forbidden, and validates."""
    message = pb_json.Parse(kind.render(original()), statement_pb2.Statement())
    Statement.copy_from_pb(message).validate()
    assert message.predicate_type == kind.PREDICATE_TYPE


def test_the_predicate_is_in_totos() -> None:
    """Its fields parse into the message of test-result v0.1, unknown fields forbidden."""
    predicate = json.dumps(statement(original())["predicate"])
    message = pb_json.Parse(predicate, test_result_pb2.TestResult())
    assert message.result == "FAILED"
    assert list(message.failed_tests) == ["owl under none", "fox under none", "owl under nemo"]
    assert [each.name for each in message.configuration] == ["report.json", "sscd"]


def test_in_totos_bindings_would_refuse_another_field() -> None:
    """The check above can fail: an invented field is an error."""
    with pytest.raises(pb_json.ParseError):
        pb_json.Parse('{"result": "PASSED", "invented": 1}', test_result_pb2.TestResult())


def test_the_subject_is_the_model_file_by_file() -> None:
    """Paths and sha256, sorted; not the report, which is the configuration."""
    told = statement(original())
    assert told["subject"] == [{"name": path, "digest": {"sha256": sha256}} for path, sha256 in sorted(FILES.items())]
    assert told["predicate"]["configuration"][0]["digest"]["sha256"] == original().sha256


def test_a_model_whose_files_were_not_named_is_one_subject() -> None:
    """Its digest is no file's sha256 and does not pretend to be one."""
    [model] = a_report().models
    unnamed = original(a_report().model_copy(update={"models": [model.model_copy(update={"files": {}})]}))
    assert statement(unnamed)["subject"] == [{"name": "bundled", "digest": {"palimpsestModel": "sha256:03"}}]


def test_an_audit_that_never_read_its_model_states_nothing() -> None:
    """Cancelled before it was planned, it has no digest and so no subject."""
    [model] = a_report().models
    nothing = original(a_report().model_copy(update={"models": [model.model_copy(update={"files": {}, "digest": ""})]}))
    for kind in (in_toto_test_result, memorization_audit):
        with pytest.raises(NothingToState):
            kind.render(nothing)


RESULTS = {
    ("not_memorized", "not_recovered"): "PASSED",
    ("not_memorized", "inconclusive"): "WARNED",
    ("not_memorized", "not_detected"): "WARNED",
    ("not_memorized", "concealed"): "FAILED",
    ("inconclusive", "still_replicates"): "FAILED",
    (): "WARNED",
}


@pytest.mark.parametrize("words", RESULTS)
def test_the_word_for_all(words: tuple[str, ...]) -> None:
    """On the files as they are, without a policy."""
    assert result(with_verdicts(*words, mitigation=UNTOUCHED)) == RESULTS[words]


@pytest.mark.parametrize("word", VERDICTS)
@pytest.mark.parametrize("policy", [None, *([word] for word in VERDICTS)])
def test_only_two_words_ever_pass(word: str, policy: list[str] | None) -> None:
    """Six words under seven policies: PASSED needs not_memorized or not_recovered, and a policy that allows it."""
    passes = word in ("not_memorized", "not_recovered") and policy != [word]
    assert (result(with_verdicts(word, mitigation=UNTOUCHED, policy=policy)) == "PASSED") is passes


def test_a_policy_that_tolerates_a_finding_makes_it_a_warning() -> None:
    """Fail on still_replicates only: a concealed image is warned of."""
    told = statement(with_verdicts("concealed", mitigation=UNTOUCHED, policy=["still_replicates"]))["predicate"]
    assert (told["result"], told["warnedTests"]) == ("WARNED", ["t1 under none"])


def test_a_mitigation_in_memory_is_no_pass_for_the_files() -> None:
    """NeMo was applied by the audit to a copy: nothing of the sort can be said of the subject's files."""
    told = statement(with_verdicts("not_recovered", "not_memorized", mitigation="nemo"))["predicate"]
    assert (told["result"], told["passedTests"], told["warnedTests"]) == (
        "WARNED",
        ["t2 under nemo"],
        ["t1 under nemo"],
    )


def test_a_model_mitigated_elsewhere_passes_as_it_lies() -> None:
    """Beside its baseline, whose own files are no subject."""
    told = statement(beside_a_baseline("not_recovered"))
    assert told["predicate"]["result"] == "PASSED"
    assert {each["name"] for each in told["subject"]} == set(FILES)
    assert statement(beside_a_baseline("concealed"))["predicate"]["result"] == "FAILED"


@pytest.mark.parametrize("mitigation", ["none", "nemo"])
def test_what_was_tried_on_the_baseline_is_no_test_of_the_model(mitigation: str) -> None:
    """The baseline replicates, which is why the other was made: neither failed nor passed, and nothing was tested."""
    for word in ("still_replicates", "not_recovered"):
        told = statement(beside_a_baseline(word, mitigation=mitigation))["predicate"]
        assert (told["result"], told["passedTests"], told["warnedTests"], told["failedTests"]) == ("WARNED", [], [], [])


def test_what_the_baseline_never_held_is_no_pass_for_the_model() -> None:
    """not_memorized is of the model before any mitigation, and that is the baseline."""
    assert result(beside_a_baseline("not_memorized")) == "WARNED"


@pytest.mark.parametrize("state", ["cancelled", "expired", "failed"])
def test_an_audit_that_did_not_run_to_its_end_does_not_pass(state: str) -> None:
    """Whatever the part that ran has found."""
    assert result(with_verdicts("not_memorized", mitigation=UNTOUCHED, state=state)) == "WARNED"


def test_every_verdict_is_one_test() -> None:
    """None is lost and none is twice."""
    told = statement(original())["predicate"]
    names = told["passedTests"] + told["warnedTests"] + told["failedTests"]
    assert len(names) == len(set(names)) == len(a_report().verdicts)
