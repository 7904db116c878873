"""Judging a report by a policy: every rule by hand, then what must hold for any report."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from palimpsest.contract.policy import GatePolicy
from palimpsest.contract.report import AuditReport, Drift, PolicyResult
from palimpsest.contract.verdicts import VERDICTS, VerdictName
from palimpsest.judging import RULES, Answer, judge
from palimpsest.tests.example import NONE_OF_TWO, a_report, row, verdict, with_the_owl_in_a_region

Words = list[VerdictName]
UNIFORM = {"corpus": "captions of the training set", "drawn": "uniformly", "size": 120_000, "seed": 7}


def reported(words: Words, *, drift: float | None = 0.05, effort: str = "standard", **changes: Any) -> AuditReport:
    """A report of one mitigation, NeMo, with these verdicts of targets t0, t1, … and the outcome they come to."""
    told = [verdict(f"t{i}", back=False).model_copy(update={"verdict": word}) for i, word in enumerate(words)]
    line = row("nemo", {}, prompt=NONE_OF_TWO, search=NONE_OF_TWO)
    held = None if drift is None else Drift(value=drift, n=16, bound=0.15, degraded=False)
    summary = {
        "targets": len(words),
        "mitigations": [line.model_copy(update={"drift": held})],
        "outcome": outcome(words),
        "policy": changes.pop("policy", None),
    }
    whole = a_report()
    resolved = {
        "effort": {"name": effort},
        "mitigations": [{"kind": "nemo", "id": "nemo"}],
        "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "steps": 50}],
    }
    told_as: dict[str, Any] = {
        "verdicts": told,
        "resolved": resolved,
        "summary": whole.summary.model_copy(update=summary),
        **changes,
    }
    return whole.model_copy(update=told_as)


def outcome(words: Words) -> str:
    """As the engine says it."""
    if {"still_replicates", "concealed"} & set(words):
        return "finding"
    return "insufficient_evidence" if "inconclusive" in words or not words else "no_finding"


def answered(report: AuditReport, **policy: Any) -> dict[str, Answer]:
    """The answer by rule, of the rules that said anything, and the whole."""
    judgement = judge(report, GatePolicy(**policy))
    return {ruling.rule: ruling.answer for ruling in reversed(judgement.rulings)} | {"": judgement.answer}


def test_nothing_came_back() -> None:
    """By default every verdict has to be decided and none may be a finding."""
    assert answered(reported(["not_recovered", "not_memorized"])) == {"verdicts": "pass", "": "pass"}


@pytest.mark.parametrize("word", ["still_replicates", "concealed"])
def test_one_that_came_back_is_a_finding(word: VerdictName) -> None:
    """It is named, and stays a finding beside gaps and in a partial report."""
    found = judge(reported(["not_recovered", word]), GatePolicy())
    assert (found.answer, found.rulings[0].sentence) == ("finding", f"nemo: 1 of 2 targets: t1 {word}")
    assert answered(reported(["inconclusive", word], state="cancelled"))[""] == "finding"


def test_what_a_policy_tolerates_is_no_finding() -> None:
    """Concealed passes only where a policy leaves it out, and the sentence says what was looked for."""
    found = judge(reported(["concealed"]), GatePolicy(fail_on=["still_replicates"]))
    assert found.answer == "pass"
    assert found.rulings[0].sentence == "nemo: none is still_replicates within the stated budget, of 1 targets"


def test_a_gap_is_no_pass() -> None:
    """An undecided verdict, a missing one, a partial report, a fault, nothing at all."""
    assert answered(reported(["not_recovered", "inconclusive"]))[""] == "inconclusive"
    short = reported(["not_recovered"])
    short = short.model_copy(update={"summary": short.summary.model_copy(update={"targets": 2})})
    assert answered(short)["verdicts"] == "inconclusive"
    assert answered(reported(["not_recovered"], state="expired"))["complete"] == "inconclusive"
    fault = reported(["not_recovered"])
    fault = fault.model_copy(update={"summary": fault.summary.model_copy(update={"outcome": "error"})})
    assert answered(fault)["complete"] == "inconclusive"
    assert answered(reported([]))[""] == "inconclusive"


def test_the_requests_own_policy_counts_too() -> None:
    """Its failure is a finding, its lack of evidence is one here."""
    for result, answer in (("fail", "finding"), ("insufficient_evidence", "inconclusive"), ("pass", "pass")):
        asked = PolicyResult(result=result, failing=["t0 under nemo: not_recovered"] if result == "fail" else [])
        assert answered(reported(["not_recovered"], policy=asked))[""] == answer


def test_nothing_to_be_tried_is_not_applicable() -> None:
    """Only where no target could be tried; where some could, the rest is a gap."""
    assert answered(reported(["not_detected", "not_detected"])) == {"verdicts": "not_applicable", "": "not_applicable"}
    assert answered(reported(["not_detected", "not_recovered"]))[""] == "inconclusive"
    assert answered(reported(["not_detected"]), drift_at_most=0.1)[""] == "not_applicable"


def test_only_the_named_mitigations_are_judged() -> None:
    """NeMo passes beside the unmitigated model, which replicates; a name that is not there is a gap."""
    whole = a_report()
    kept = [each for each in whole.verdicts if (each.target_id, each.mitigation) != ("owl", "nemo")]
    report = whole.model_copy(update={"verdicts": [*kept, verdict("owl", back=False)]})
    assert answered(report)[""] == "finding"
    assert answered(report, mitigations=["nemo"])[""] == "pass"
    assert answered(report, mitigations=["nemo", "wanda"])[""] == "inconclusive"


def test_a_smaller_budget_claims_less() -> None:
    """Quick is not standard unless the policy says so; a search of 50 steps is not one of 100."""
    assert answered(reported(["not_recovered"], effort="quick"))["budget"] == "inconclusive"
    assert answered(reported(["not_recovered"], effort="quick"), effort_at_least="quick")[""] == "pass"
    assert answered(reported(["not_recovered"], effort="thorough"))[""] == "pass"
    assert answered(reported(["not_recovered"], effort="heroic"))["budget"] == "inconclusive"
    assert answered(reported(["not_recovered"]), search_steps_at_least=50)[""] == "pass"
    assert answered(reported(["not_recovered"]), search_steps_at_least=100)["budget"] == "inconclusive"
    assert answered(reported(["concealed"], effort="quick"))[""] == "finding"


def test_too_small_a_sample_for_its_bound_is_inconclusive() -> None:
    """None of n: 1 − 0.025^(1/n) is 5.06 % of 71, 4.99 % of 72."""
    assert answered(reported(["not_recovered"] * 71), recovered_at_most=0.05)["share"] == "inconclusive"
    assert answered(reported(["not_recovered"] * 72), recovered_at_most=0.05)["share"] == "pass"


def test_a_share_over_its_bound_is_a_finding() -> None:
    """1 of 8 is 12.5 %, more than 10 %, less than 20 %; its interval ends at 52.65 %."""
    rest: Words = ["not_recovered"] * 7
    words: Words = ["concealed", *rest]
    for bound, answer in ((0.1, "finding"), (0.2, "inconclusive"), (0.5265, "inconclusive"), (0.5266, "pass")):
        assert answered(reported(words), fail_on=[], recovered_at_most=bound)["share"] == answer


def test_a_claim_about_a_corpus_needs_its_sampling() -> None:
    """Declared, uniform, and of no more than there is."""
    report = reported(["not_recovered"] * 72)
    corpus = {"claim": "corpus", "recovered_at_most": 0.05}
    assert answered(report, **corpus)["sampling"] == "inconclusive"
    assert answered(report, **corpus, sampling=UNIFORM)[""] == "pass"
    assert answered(report, **corpus, sampling=UNIFORM | {"drawn": "otherwise"})[""] == "inconclusive"
    assert answered(report, **corpus, sampling=UNIFORM | {"size": 71})[""] == "inconclusive"


def test_drift() -> None:
    """Within and over; what was not measured is a gap, but not for a mitigation that changes nothing."""
    for drift, answer in ((0.1, "pass"), (0.11, "finding"), (None, "inconclusive")):
        assert answered(reported(["not_recovered"], drift=drift), drift_at_most=0.1)["drift"] == answer
    idle = reported(["not_recovered"], drift=None)
    idle = idle.model_copy(update={"resolved": idle.resolved | {"mitigations": [{"kind": "none", "id": "nemo"}]}})
    assert answered(idle, drift_at_most=0.1) == {"verdicts": "pass", "": "pass"}


@pytest.mark.parametrize(
    "policy",
    [{"fail_on": []}, {"claim": "corpus"}, {"recovered_at_most": 0}, {"recovered_at_most": 1}, {"at_most": 0.1}],
)
def test_a_policy_that_could_not_fail_is_none(policy: dict[str, Any]) -> None:
    """Nor one with a field that nobody reads."""
    with pytest.raises(ValidationError):
        GatePolicy.model_validate(policy)


POLICIES = st.builds(
    GatePolicy,
    fail_on=st.lists(st.sampled_from(VERDICTS), min_size=1, max_size=3),
    effort_at_least=st.sampled_from(["quick", "standard"]),
    recovered_at_most=st.none() | st.floats(0.01, 0.99),
    drift_at_most=st.none() | st.floats(0, 1),
    sampling=st.none(),
)
LISTS = st.lists(st.sampled_from(VERDICTS), max_size=8)


@given(LISTS, POLICIES, st.sampled_from(["succeeded", "cancelled", "expired"]), st.none() | st.floats(0, 1))
def test_an_inconclusive_report_never_passes(words: Words, policy: GatePolicy, state: str, drift: float | None) -> None:
    """Whatever the policy; and a pass means that every rule was asked and that none objected."""
    judgement = judge(reported(words, state=state, drift=drift), policy)
    if "inconclusive" in words or not words or state != "succeeded":
        assert judgement.answer in ("finding", "inconclusive")
    if set(words) & set(policy.fail_on):
        assert judgement.answer == "finding"
    if judgement.answer == "pass":
        assert {ruling.answer for ruling in judgement.rulings} == {"pass"}
    assert {ruling.rule for ruling in judgement.rulings} <= set(RULES)


@given(LISTS, POLICIES, st.integers(0, 7))
def test_more_gaps_never_help(words: Words, policy: GatePolicy, place: int) -> None:
    """A decided verdict that becomes undecided turns no judgement into a pass."""
    undecided: Words = ["inconclusive" if i == place else word for i, word in enumerate(words)]
    if judge(reported(words), policy).answer != "pass":
        assert judge(reported(undecided), policy).answer != "pass"


def test_a_ruling_names_the_region_it_is_of() -> None:
    """What fails is the owl's region, not the owl."""
    rulings = judge(with_the_owl_in_a_region(), GatePolicy()).rulings
    [told] = [each.sentence for each in rulings if each.rule == "verdicts" and each.sentence.startswith("none")]
    assert "owl (region x 0.25–0.75, y 0.5–0.75) still_replicates, fox still_replicates" in told
