"""From records to the answer."""

from dataclasses import replace
from typing import Any

import pytest

from palimpsest.contract.report import (
    JudgeIdentity,
    LocalJudge,
    ModelIdentity,
    Rectangle,
    Replication,
    SecondJudge,
    StageCost,
)
from palimpsest.contract.request import Region
from palimpsest.contract.verdicts import VERDICTS
from worker.engine.edits import JOINT
from worker.engine.findings import Failure, Findings
from worker.engine.records import ItemRecord, MitigationRecord, ProbeRecord
from worker.engine.report import canonical, conclude, result_digest
from worker.engine.verdicts import POWERLESS

PROMPT, SEARCH = "prompt", "adversarial_embedding"
TARGETS, CONTROLS = ["fox", "kite"], ["lamp", "boat", "drum"]


def cost(forwards: int = 10, with_gradient: int = 2, seconds: float = 1.5) -> StageCost:
    """What a unit costs."""
    return StageCost(unet_sample_forwards=forwards, unet_sample_forwards_with_gradient=with_gradient, seconds=seconds)


def answer(
    replicates: bool, *, score: float | None = None, first_step: int | None = None, disagrees: bool = False
) -> Replication:
    """An item's answer to one probe: four pictures, all copies or none."""
    level = (0.9 if replicates else 0.1) if score is None else score
    return Replication(
        replicates=replicates,
        hits=4 * replicates,
        any_hit=replicates,
        mean_score=level,
        max_score=level,
        scores=[level] * 4,
        second_judge=SecondJudge(hits=0, smallest=0.3, disagrees=disagrees),
        start=None,
        steps=None,
        first_step=first_step,
        loss=[],
        images=["i" * 64],
        embedding=None,
        text=None,
    )


def item(id: str, prompt: Replication | None, search: Replication | None, group: str = JOINT) -> ItemRecord:
    """One item on one model, seen by both probes."""
    role = "target" if id in TARGETS else "control"
    return ItemRecord(item_id=id, role=role, group=group, probes={PROMPT: prompt, SEARCH: search})


def probed(mitigation: str | None, *items: ItemRecord) -> ProbeRecord:
    """A batch on one model."""
    return ProbeRecord(mitigation=mitigation, items=list(items), cost=cost())


def mitigated(name: str, off: dict[str, int], drift: dict[str, list[float]], **changes: Any) -> MitigationRecord:
    """A mitigation of a batch."""
    plain: dict[str, Any] = {"scope": "per_target", "what": "neurons", "size": 40, "notes": [], "cost": cost(5, 0)}
    return MitigationRecord(mitigation=name, off=off, drift=drift, **(plain | changes))


UNTOUCHED = mitigated("none", {}, {}, scope=None, what="nothing", size=0, cost=cost(0, 0, 0.0))
YES, NO = answer(replicates=True), answer(replicates=False)
SILENT = [item(c, NO, NO) for c in CONTROLS]
BASELINE = probed(None, item("fox", YES, YES), item("kite", YES, YES), *SILENT)
AFTER = probed(
    "nemo",
    item("fox", NO, YES, "fox"),
    item("kite", NO, NO, "kite"),
    item("lamp", NO, NO, "fox"),
    item("boat", NO, NO, "kite"),
    item("drum", NO, NO, "fox"),
)
NEMO = mitigated("nemo", {"fox": 3, "kite": 6}, {"fox": [0.1, 0.3], "kite": [0.2, 0.0]})
PLAIN = Findings(
    audit_id="aud_1",
    state="succeeded",
    request={"model": "tiny", "labels": {"team": "a"}, "force_new": False, "seed": 0},
    resolved={"model": "tiny", "labels": {"team": "a"}, "force_new": False},
    targets=TARGETS,
    controls=CONTROLS,
    mitigations=["none", "nemo"],
    probes={PROMPT: "prompt", SEARCH: "adversarial_embedding"},
    probed=[BASELINE, AFTER],
    mitigated=[NEMO, UNTOUCHED],
    failures=[],
    models=[ModelIdentity(id="tiny", role="audited", family="sd1", digest="d" * 64, files={})],
    judges=[JudgeIdentity(kind="sscd", digest="s" * 64, preprocessing="p", threshold=0.5, false_positive_bound=0.01)],
    drift_bound=0.5,
    environment={"torch": "2", "threads": "1"},
    seeds={"seed": 0},
    limitations=["Effort quick."],
    other_costs={"plan": cost(0, 0, 0.0)},
)


def findings(**changes: Any) -> Findings:
    """Two memorized targets and three controls, before and after nemo, but for these changes."""
    return replace(PLAIN, **changes)


def words(found: Findings, mitigation: str = "nemo") -> dict[str, str]:
    """The verdicts of one mitigation, by target."""
    return {v.target_id: v.verdict for v in conclude(found).verdicts if v.mitigation == mitigation}


def test_every_target_has_one_verdict_under_every_mitigation() -> None:
    """2 targets × 2 mitigations: both replicate without one; nemo conceals one, the other is not recovered."""
    report = conclude(findings())
    assert [(v.mitigation, v.target_id, v.verdict) for v in report.verdicts] == [
        ("none", "fox", "still_replicates"),
        ("none", "kite", "still_replicates"),
        ("nemo", "fox", "concealed"),
        ("nemo", "kite", "not_recovered"),
    ]
    assert report.verdicts[2].reasons == [f"recovered by {SEARCH}"]


def test_a_verdict_carries_what_it_rests_on() -> None:
    """Before and after, both probes."""
    fox = conclude(findings()).verdicts[2]
    assert (fox.before.prompt, fox.before.adversarial) == (YES, {SEARCH: YES})
    assert (fox.prompt, fox.adversarial) == (NO, {SEARCH: YES})
    assert fox.reference == "image"


def test_counts_add_up_to_the_targets() -> None:
    """Every word has a number, also 0, and they make 2."""
    for row in conclude(findings()).summary.mitigations:
        assert set(row.counts) == set(VERDICTS)
        assert sum(row.counts.values()) == 2


def test_rates_count_targets_and_controls_apart() -> None:
    """Before 2/2, by the prompt 0/2, by the search 1/2, controls 0/3."""
    rates = conclude(findings()).summary.mitigations[1].replication_rate
    assert [(r.k, r.n) for r in (rates.before, rates.prompt, rates.adversarial[SEARCH])] == [(2, 2), (0, 2), (1, 2)]
    assert {p: (r.k, r.n) for p, r in rates.control.items()} == {PROMPT: (0, 3), SEARCH: (0, 3)}


def test_permutation_p_and_holm_run_over_the_targets() -> None:
    """fox .9 above three controls at .1: p = 1/4; kite .1 ties with all: p = 1. Holm: 2 · ¼ = ½ and 1."""
    fox, kite = (v.controls[SEARCH] for v in conclude(findings()).verdicts[2:])
    assert (fox.p_value, fox.p_adjusted, kite.p_value, kite.p_adjusted) == (0.25, 0.5, 1.0, 1.0)
    assert (fox.rate.k, fox.rate.n, fox.descriptive) == (0, 3, True)


def test_per_target_models_are_controlled_by_their_own_controls() -> None:
    """A control that replicates on kite's model says nothing about fox's, and takes kite's recovery its credit."""
    after = probed(
        "nemo",
        item("fox", NO, YES, "fox"),
        item("kite", NO, YES, "kite"),
        item("lamp", NO, NO, "fox"),
        item("boat", NO, YES, "kite"),
    )
    assert words(findings(probed=[BASELINE, after])) == {"fox": "concealed", "kite": "inconclusive"}


def test_a_control_beside_several_targets_counts_once() -> None:
    """lamp meets fox's model in silence and replicates on kite's: 1 of 1 control, not 1 of 2."""
    after = probed(
        "nemo",
        item("fox", NO, YES, "fox"),
        item("kite", NO, YES, "kite"),
        item("lamp", NO, NO, "fox"),
        item("lamp", NO, YES, "kite"),
    )
    control = conclude(findings(probed=[BASELINE, after])).summary.mitigations[1].replication_rate.control[SEARCH]
    assert (control.k, control.n) == (1, 1)


def test_without_controls_no_recovery_is_claimed() -> None:
    """fox comes back by the search, and nothing tells what that means."""
    before = probed(None, item("fox", YES, YES), item("kite", YES, YES))
    after = probed("nemo", item("fox", NO, YES, "fox"), item("kite", NO, NO, "kite"))
    found = findings(probed=[before, after], controls=[])
    assert words(found) == {"fox": "inconclusive", "kite": "inconclusive"}
    assert words(found, "none") == {"fox": "still_replicates", "kite": "still_replicates"}


def test_a_search_that_gave_no_answer_is_a_gap() -> None:
    """kite was asked on nemo's model and its search came to nothing."""
    after = probed("nemo", item("fox", NO, YES, "fox"), item("kite", NO, None, "kite"), item("lamp", NO, NO, "fox"))
    kite = conclude(findings(probed=[BASELINE, after])).verdicts[3]
    assert (kite.verdict, kite.reasons) == ("inconclusive", [f"missing: nemo: {SEARCH} gave no answer"])


def test_a_joint_model_is_controlled_by_everybody() -> None:
    """One of three controls replicates, 33 % > 2 %: no recovery is credible."""
    after = probed("nemo", item("fox", NO, YES), item("kite", NO, NO), item("lamp", NO, YES), *SILENT[1:])
    joint = mitigated("nemo", {JOINT: 9}, {JOINT: [0.1]}, scope="joint")
    assert words(findings(probed=[BASELINE, after], mitigated=[joint, UNTOUCHED])) == {
        "fox": "inconclusive",
        "kite": "not_recovered",
    }


def test_up_to_the_bound_controls_may_replicate() -> None:
    """1 of 50 controls is 2 %, not beyond it; 1 of 49 is."""

    def concealed(controls: int) -> bool:
        seen = [item(f"c{n}", NO, YES if n == 0 else NO) for n in range(controls)]
        after = probed("nemo", item("fox", NO, YES), item("kite", NO, NO), *seen)
        return words(findings(probed=[BASELINE, after]))["fox"] == "concealed"

    assert concealed(50)
    assert not concealed(49)


def test_a_degraded_model_is_judged_by_the_groups_own_drift() -> None:
    """kite's model has drifted by .6 on average, fox's by .2: only kite's silence is worth nothing."""
    drifted = mitigated("nemo", {"fox": 3, "kite": 6}, {"fox": [0.1, 0.3], "kite": [0.7, 0.5]})
    found = findings(mitigated=[drifted, UNTOUCHED])
    assert words(found) == {"fox": "concealed", "kite": "inconclusive"}
    drift = conclude(found).summary.mitigations[1].drift
    assert drift is not None
    assert (drift.value, drift.n, drift.bound, drift.degraded) == (0.4, 4, 0.5, False)


def test_a_drift_at_the_bound_is_not_past_it() -> None:
    """.5 is allowed, .50001 is not."""
    at, past = ({"fox": [0.1], "kite": [value]} for value in (0.5, 0.50001))
    assert words(findings(mitigated=[mitigated("nemo", {}, at), UNTOUCHED]))["kite"] == "not_recovered"
    assert words(findings(mitigated=[mitigated("nemo", {}, past), UNTOUCHED]))["kite"] == "inconclusive"


def test_what_is_off_is_a_mean_over_the_groups() -> None:
    """3 and 6 of 40 neurons: 4.5, a share of .1125; none is nothing at all."""
    none, nemo = conclude(findings()).summary.mitigations
    assert none.switched_off is None
    assert none.drift is None
    assert nemo.switched_off is not None
    assert nemo.switched_off.model_dump() == {"what": "neurons", "count": 4.5, "of": 40, "share": 0.1125}


def test_the_recovery_curve_rises_at_the_looks_that_found_something() -> None:
    """fox at step 1, kite at 25, a control at 10: ½ ½ 1 of the targets, 0 ⅓ ⅓ of the controls."""
    after = probed(
        "nemo",
        item("fox", NO, answer(True, first_step=1), "fox"),
        item("kite", NO, answer(True, first_step=25), "kite"),
        item("lamp", NO, answer(True, first_step=10), "fox"),
        item("boat", NO, NO, "kite"),
        item("drum", NO, NO, "fox"),
    )
    curve = conclude(findings(probed=[BASELINE, after])).summary.mitigations[1].recovery_curve[SEARCH]
    assert [(p.step, p.targets.k, p.targets.n, p.controls.k, p.controls.n) for p in curve] == [
        (1, 1, 2, 0, 3),
        (10, 1, 2, 1, 3),
        (25, 2, 2, 1, 3),
    ]


def test_the_judges_disagreements_are_counted() -> None:
    """One target's prompt and one control's search: 2 under nemo, 0 without a mitigation."""
    odd = answer(False, disagrees=True)
    after = probed("nemo", item("fox", odd, YES, "fox"), item("kite", NO, NO, "kite"), item("lamp", NO, odd, "fox"))
    rows = conclude(findings(probed=[BASELINE, after])).summary.mitigations
    assert [row.judges_disagree for row in rows] == [0, 2]


def test_costs_add_up_by_stage() -> None:
    """Two batches of one stage are one line; the total is the sum of the lines."""
    said = conclude(findings(probed=[BASELINE, BASELINE, AFTER])).cost
    assert {
        name: (c.unet_sample_forwards, c.unet_sample_forwards_with_gradient) for name, c in said.stages.items()
    } == {
        "plan": (0, 0),
        "baseline": (20, 4),
        "probe:nemo": (10, 2),
        "mitigate:nemo": (5, 0),
        "mitigate:none": (0, 0),
    }
    assert (said.total.unet_sample_forwards, said.total.unet_sample_forwards_with_gradient) == (35, 6)
    assert said.total.seconds == 6.0


def test_a_failed_unit_is_named_by_its_code() -> None:
    """kite's probe after nemo ran out of memory: inconclusive, counted, and no gap anywhere else."""
    after = probed("nemo", item("fox", NO, YES, "fox"), item("lamp", NO, NO, "fox"))
    found = findings(probed=[BASELINE, after], failures=[Failure("nemo", ["kite"], "OUT_OF_MEMORY")])
    kite = conclude(found).verdicts[3]
    assert (kite.verdict, kite.reasons) == ("inconclusive", ["missing: nemo: OUT_OF_MEMORY"])
    assert (kite.prompt, kite.adversarial, kite.controls[SEARCH].p_value) == (None, {}, None)
    assert sum(conclude(found).summary.mitigations[1].counts.values()) == 2


def test_an_audit_that_never_ran_accounts_for_every_verdict() -> None:
    """Cancelled after planning: 2 × 2 inconclusive, each with its reason, and insufficient evidence."""
    gone = [Failure(None, TARGETS, "CANCELLED"), Failure("nemo", TARGETS, "CANCELLED")]
    report = conclude(findings(state="cancelled", probed=[], mitigated=[UNTOUCHED], failures=gone))
    assert [v.verdict for v in report.verdicts] == ["inconclusive"] * 4
    assert report.verdicts[0].reasons == ["missing: before: CANCELLED"]
    assert report.verdicts[2].reasons == ["missing: before: CANCELLED", "missing: nemo: CANCELLED"]
    assert (report.summary.outcome, report.state) == ("insufficient_evidence", "cancelled")


def test_an_audit_cancelled_before_its_plan_has_an_empty_report() -> None:
    """No targets are known: no verdicts, no rows, insufficient evidence."""
    empty: dict[str, list[str]] = {"targets": [], "controls": [], "mitigations": [], "probed": [], "mitigated": []}
    report = conclude(findings(state="cancelled", **empty))
    assert (report.verdicts, report.summary.mitigations, report.summary.outcome) == ([], [], "insufficient_evidence")


ONLY_KITE: dict[str, Any] = {"targets": ["kite"], "mitigations": ["nemo"], "mitigated": [NEMO]}


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "finding"),
        (ONLY_KITE, "no_finding"),
        (ONLY_KITE | {"state": "cancelled"}, "insufficient_evidence"),
        (ONLY_KITE | {"probed": [BASELINE]}, "insufficient_evidence"),
    ],
    ids=["concealed", "not recovered", "cancelled", "inconclusive"],
)
def test_the_outcome_is_the_worst_that_was_found(changes: dict[str, Any], outcome: str) -> None:
    """A finding needs one target that replicates or is concealed; without one, gaps count."""
    assert conclude(findings(**changes)).summary.outcome == outcome


@pytest.mark.parametrize(
    ("fail_on", "changes", "result", "failing"),
    [
        (["concealed"], {}, "fail", ["fox under nemo: concealed"]),
        (["not_memorized"], {}, "pass", []),
        (["not_memorized"], {"state": "cancelled"}, "insufficient_evidence", []),
        (["not_memorized"], {"probed": [BASELINE]}, "insufficient_evidence", []),
        (
            ["still_replicates"],
            {"state": "cancelled"},
            "fail",
            ["fox under none: still_replicates", "kite under none: still_replicates"],
        ),
    ],
)
def test_a_policy_passes_only_without_gaps(
    fail_on: list[str], changes: dict[str, Any], result: str, failing: list[str]
) -> None:
    """What is listed fails; gaps are insufficient evidence, never a pass."""
    said = conclude(findings(request={**PLAIN.request, "policy": {"fail_on": fail_on}}, **changes)).summary.policy
    assert said is not None
    assert (said.result, said.failing) == (result, failing)
    assert conclude(findings()).summary.policy is None


def test_a_target_without_a_caption_is_judged_by_the_search_alone() -> None:
    """Nothing was asked of the prompt: no rate counts it."""
    before = probed(None, item("fox", None, YES), item("kite", None, NO), *SILENT)
    after = probed("nemo", item("fox", None, YES, "fox"), item("kite", None, NO, "kite"), item("lamp", NO, NO, "fox"))
    found = findings(probed=[before, after])
    assert words(found) == {"fox": "concealed", "kite": "not_memorized"}
    assert conclude(found).summary.mitigations[1].replication_rate.before.n == 0


def test_limitations_say_each_thing_once() -> None:
    """The request's own first, each mitigation's notes, and what every report has to say."""
    noted = [mitigated("nemo", {"fox": 1}, {}, notes=["τ_mem = .4"]) for _ in range(2)]
    said = conclude(findings(mitigated=[*noted, UNTOUCHED])).limitations
    assert said[0] == "Effort quick."
    assert said.count("τ_mem = .4") == 1
    assert any("could be shipped" in sentence for sentence in said)
    assert any("3 controls are too few to test 2 targets" in sentence for sentence in said)
    assert said[-1].startswith("not_recovered holds within the stated budget")


SLOW = ProbeRecord(mitigation=None, items=BASELINE.items, cost=cost(seconds=99.0))
ELSEWHERE: dict[str, dict[str, Any]] = {
    "its id": {"audit_id": "aud_2"},
    "its host": {"environment": {"torch": "2", "threads": "64"}},
    "its seconds": {"probed": [SLOW, AFTER]},
    "its labels": {"request": {**PLAIN.request, "labels": {}}, "resolved": {**PLAIN.resolved, "labels": {}}},
    "whether an earlier answer would have done": {"request": {**PLAIN.request, "force_new": True}},
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_the_digest_does_not_depend_on(what: str) -> None:
    """Equal requests on equal machines have equal digests, whatever faults happened on the way."""
    assert conclude(findings(**ELSEWHERE[what])).result_digest == conclude(findings()).result_digest


ELSE: dict[str, dict[str, Any]] = {
    "the seed": {"request": {**PLAIN.request, "seed": 1}},
    "the model's weights": {
        "models": [ModelIdentity(id="tiny", role="audited", family="sd1", digest="e" * 64, files={})]
    },
    "a score": {"probed": [probed(None, item("fox", answer(True, score=0.91), YES), *BASELINE.items[1:]), AFTER]},
    "the work": {"probed": [ProbeRecord(mitigation=None, items=BASELINE.items, cost=cost(11)), AFTER]},
    "how it ended": {"state": "cancelled"},
}


@pytest.mark.parametrize("what", ELSE)
def test_the_digest_depends_on(what: str) -> None:
    """Whatever a reader could reason from."""
    assert conclude(findings(**ELSE[what])).result_digest != conclude(findings()).result_digest


def test_a_report_proves_its_own_digest() -> None:
    """Recomputed from the finished report it is the same, and the report keeps labels and seconds."""
    report = conclude(findings())
    assert result_digest(report) == report.result_digest
    assert report.request["labels"] == {"team": "a"}
    assert report.cost.total.seconds > 0


def test_canonical_json_is_sorted_and_without_spaces() -> None:
    """Also inside; letters stay letters; what is no number in JSON is refused."""
    assert canonical({"b": [1, {"d": "τ", "c": None}], "a": 0.5}) == '{"a":0.5,"b":[1,{"c":null,"d":"τ"}]}'.encode()
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))


IN_FRONT = mitigated("noise", {}, {JOINT: [0.1]}, scope="joint", what="inputs", size=0)
BEHIND = probed("noise", item("fox", NO, YES), item("kite", NO, NO), *SILENT)


def in_front(**changes: Any) -> Findings:
    """Behind a mitigation at the input the prompt is silent for both; the search in its loop still finds one."""
    plain = {"mitigations": ["noise"], "probed": [BASELINE, BEHIND], "mitigated": [IN_FRONT]}
    return findings(**(plain | changes))


def test_past_what_stands_in_front_the_baseline_answers() -> None:
    """Each probe is reported twice: in the loop, and bypassed, which is the unmitigated model's answer."""
    fox, kite = conclude(in_front()).verdicts
    assert fox.prompt == NO
    assert fox.adversarial == {SEARCH: YES, f"{PROMPT}:bypassed": YES, f"{SEARCH}:bypassed": YES}
    assert kite.adversarial == {SEARCH: NO, f"{PROMPT}:bypassed": YES, f"{SEARCH}:bypassed": YES}


def test_what_the_weights_still_hold_is_concealed() -> None:
    """Both, and the reasons say past what: one by the search in the loop too, the other by bypassing alone."""
    fox, kite = conclude(in_front()).verdicts
    past = [f"recovered by {PROMPT}:bypassed", f"recovered by {SEARCH}:bypassed"]
    assert (fox.verdict, fox.reasons) == ("concealed", [f"recovered by {SEARCH}", *past])
    assert (kite.verdict, kite.reasons) == ("concealed", past)


def test_bypassing_has_controls_of_its_own() -> None:
    """Those of the baseline, 0 of 3 in every rate; a search that draws controls too, before, counts for nothing."""
    row = conclude(in_front()).summary.mitigations[0]
    means = [SEARCH, f"{PROMPT}:bypassed", f"{SEARCH}:bypassed"]
    assert {p: (r.k, r.n) for p, r in row.replication_rate.adversarial.items()} == dict(
        zip(means, [(1, 2), (2, 2), (2, 2)], strict=True)
    )
    assert {p: (r.k, r.n) for p, r in row.replication_rate.control.items()} == dict.fromkeys([PROMPT, *means], (0, 3))
    assert set(row.recovery_curve) == set(means)
    loud = [item(c, NO, YES) for c in CONTROLS]
    before = probed(None, item("fox", YES, YES), item("kite", YES, YES), *loud)
    [_, kite] = conclude(in_front(probed=[before, BEHIND])).verdicts
    assert (kite.verdict, kite.reasons) == ("concealed", [f"recovered by {PROMPT}:bypassed"])


def test_a_prompt_heard_through_it_still_replicates() -> None:
    """In the loop, whatever the search says."""
    loud = probed("noise", item("fox", YES, NO), item("kite", NO, NO), *SILENT)
    assert words(in_front(probed=[BASELINE, loud]), "noise")["fox"] == "still_replicates"


def test_weight_edits_are_not_bypassed() -> None:
    """Their probes are reported once, and the records are left as they were."""
    found = findings()
    assert set(conclude(found).verdicts[2].adversarial) == {SEARCH}
    conclude(in_front())
    assert all(set(i.probes) == {PROMPT, SEARCH} for i in BEHIND.items)


CORNER = Region(x=0.0, y=0.0, width=0.5, height=0.5)


def in_corner(record: ItemRecord) -> ItemRecord:
    """The same item, judged in the corner."""
    return record.model_copy(update={"region": CORNER})


def judge(id: str, *, has_power: bool) -> LocalJudge:
    """How an item is judged in the corner."""
    return LocalJudge(
        item_id=id,
        role="target" if id in TARGETS else "control",
        region=Rectangle(**CORNER.model_dump()),
        pixels=[0, 0, 16, 16],
        looks=27,
        threshold=0.5,
        tiled_l2_threshold=0.1,
        negatives=99,
        nearest_negative=0.4,
        false_positive_bound=0.01,
        reconstruction=0.9 if has_power else 0.2,
        has_power=has_power,
    )


def beside(*loud: str, judges: list[LocalJudge] | None = None, back: bool = True) -> Findings:
    """The fox in a corner, the kite as a whole, three controls in either; in the corner the search finds ``loud``.

    It finds the fox too if it comes ``back``; on the unmitigated model it finds no control.
    """
    controls = [in_corner(item(c, NO, YES if c in loud else NO)) for c in CONTROLS]
    silent = [in_corner(each) for each in SILENT]
    fox = in_corner(item("fox", NO, YES if back else NO))
    after = probed("nemo", fox, item("kite", NO, NO), *SILENT, *controls)
    before = probed(None, in_corner(item("fox", YES, YES)), item("kite", YES, YES), *SILENT, *silent)
    joint = mitigated("nemo", {JOINT: 3}, {JOINT: [0.1]}, scope="joint")
    return findings(probed=[before, after], mitigated=[joint, UNTOUCHED], scopes={"fox": CORNER}, regions=judges or [])


def test_a_region_is_held_against_controls_in_it() -> None:
    """One control of three comes back in the corner, 33 % > 2 %: the fox is not found. As whole images none does."""
    assert words(beside()) == {"fox": "concealed", "kite": "not_recovered"}
    assert words(beside("lamp")) == {"fox": "inconclusive", "kite": "not_recovered"}
    [fox, kite] = [v for v in conclude(beside("lamp")).verdicts if v.mitigation == "nemo"]
    counted = [(v.controls[SEARCH].rate.k, v.controls[SEARCH].rate.n) for v in (fox, kite)]
    assert counted == [(1, 3), (0, 3)]
    assert [v.scope.kind for v in (fox, kite)] == ["region", "whole"]


def test_a_rate_over_controls_counts_each_once_by_what_speaks_most_against_it() -> None:
    """Three controls, judged in two scopes; the lamp came back in one of them."""
    row = next(row for row in conclude(beside("lamp")).summary.mitigations if row.mitigation == "nemo")
    assert (row.replication_rate.control[SEARCH].k, row.replication_rate.control[SEARCH].n) == (1, 3)


def test_a_control_whose_judge_is_blind_does_not_count() -> None:
    """Of three in the corner one has no power there; as a whole image it counts as ever."""
    told = conclude(beside(judges=[judge("lamp", has_power=False), judge("boat", has_power=True)])).verdicts
    assert [v.controls[SEARCH].rate.n for v in told if v.mitigation == "nemo"] == [2, 3]


def test_silence_of_a_blind_judge_is_inconclusive_and_a_find_is_not() -> None:
    """The fox does not come back in its corner: not recovered, if the judge would know it; else nobody can tell."""
    blind, seeing = [judge("fox", has_power=False)], [judge("fox", has_power=True)]
    assert words(beside(judges=seeing, back=False))["fox"] == "not_recovered"
    assert words(beside(judges=blind, back=False))["fox"] == "inconclusive"
    assert words(beside(judges=blind, back=True))["fox"] == "concealed"
    told = conclude(beside(judges=blind, back=False)).verdicts
    assert [v.reasons for v in told if (v.target_id, v.mitigation) == ("fox", "nemo")] == [[POWERLESS]]
