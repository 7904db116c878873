"""Targets without an image, and without a prompt, from submission to report, on the tiny model."""

import base64
from dataclasses import replace
from typing import Any

from palimpsest.contract.report import AuditReport, Detected, Verdict
from worker import references
from worker.engine.images import read
from worker.engine.setting import Setting
from worker.plan import Batch, ItemSpec
from worker.tests import tiny
from worker.tests.shop import TENANT, Shop

SEARCH: dict[str, Any] = {"kind": "adversarial_embedding", "steps": 1, "batch_size": 1}
WANDA: dict[str, Any] = {"kind": "wanda", "timesteps": 1, "sparsity": 0.1}
PROMPTS = [*tiny.TARGETS.values(), *tiny.NEUTRAL[:3]]
ASKED: dict[str, Any] = {
    "targets": [{"prompt": prompt} for prompt in PROMPTS],
    "control_set": "tiny:controls",
    "probes": [{"kind": "prompt"}, SEARCH],
    "detectors": [{"kind": "magnitude", "steps": 1, "images": 1, "false_positive_rate": 0.4}],
    "mitigations": [{"kind": "none"}, WANDA, {**WANDA, "id": "joint", "scope": "joint"}],
}


def judged(shop: Shop, threshold: float) -> Shop:
    """The shop with a judge to whom pictures are copies from that similarity on."""
    shop.workshop.descriptor = replace(shop.workshop.descriptor, threshold=threshold)
    return shop


def cells(report: AuditReport, target_id: str) -> list[Verdict]:
    """One target under every mitigation."""
    return [verdict for verdict in report.verdicts if verdict.target_id == target_id]


def test_what_a_detector_flags_is_audited_by_what_the_model_draws(shop: Shop) -> None:
    """
    A judge to whom everything is a copy: drawings of a flagged prompt agree, their medoid is kept and stands in. The
    prompts that are not flagged are drawn by no probe and masked by no mitigation. Some are of either kind.
    """
    audit_id = judged(shop, -2.0).submit(ASKED)
    shop.work()
    report = shop.report(audit_id)
    flagged = {said.item_id for said in report.detections if said.flagged and said.role == "target"}
    assert 0 < len(flagged) < len(PROMPTS)
    assert [said.target_id for said in report.references] == [f"target-{n}" for n in range(1, 7)]
    for said in report.references:
        if said.target_id in flagged:
            assert (said.kind, said.flagged_by, said.support, said.of) == ("consensus", ["magnitude"], 3, 3)
            assert said.picture is not None
            assert read(shop.workshop.evidence.get(TENANT, said.picture), tiny.SIDE).shape == (3, 32, 32)
            assert [(v.reference, v.verdict) for v in cells(report, said.target_id)] == [
                ("consensus", "still_replicates")
            ] * 3
        else:
            assert (said.kind, said.picture, said.reason) == ("none", None, "NOT_DETECTED")
            assert [(v.reference, v.verdict, v.prompt) for v in cells(report, said.target_id)] == [
                ("none", "not_detected", None)
            ] * 3
    assert report.summary.mitigations[0].counts["not_detected"] == len(PROMPTS) - len(flagged)
    assert {row.replication_rate.prompt.n for row in report.summary.mitigations} == {len(flagged)}
    assert report.cost.stages["reference"].unet_sample_forwards == len(flagged) * 4 * 2 * 2
    assert sum("never claims a training image" in said for said in report.limitations) == 1
    made = next(unit.result for unit in shop.results(audit_id, "mitigate:wanda") if unit.result)
    assert set(made["record"]["off"]) == flagged
    assert shop.audit(ASKED).result_digest == report.result_digest


def test_drawings_that_do_not_agree_are_inconclusive(shop: Shop) -> None:
    """Nothing is a copy to this judge, so flagged prompts have no consensus; and it makes no claim about the others."""
    report = judged(shop, 2.0).audit({**ASKED, "mitigations": []})
    by_reason = {said.target_id: said.reason for said in report.references}
    assert set(by_reason.values()) == {"NO_CONSENSUS", "NOT_DETECTED"}
    for verdict in report.verdicts:
        words = ("inconclusive", 1) if by_reason[verdict.target_id] == "NO_CONSENSUS" else ("not_detected", 0)
        assert (verdict.verdict, len(verdict.reasons)) == words
    assert any("0 of 3 others are copies" in reason for v in report.verdicts for reason in v.reasons)


def test_with_nothing_to_look_for_nothing_is_mitigated(shop: Shop) -> None:
    """One prompt that is not flagged: no mitigation has a target, controls meet the unmitigated model alone."""
    heard = judged(shop, -2.0).audit({**ASKED, "mitigations": []})
    quiet = next(said.target_id for said in heard.references if said.reason == "NOT_DETECTED")
    prompt = PROMPTS[int(quiet.removeprefix("target-")) - 1]
    report = shop.audit({**ASKED, "targets": [{"prompt": prompt}]})
    assert [(v.mitigation, v.verdict) for v in report.verdicts] == [
        ("none", "not_detected"),
        ("wanda", "not_detected"),
        ("joint", "not_detected"),
    ]
    assert report.summary.outcome == "no_finding"
    assert report.summary.mitigations[0].replication_rate.control["prompt"].n == 2
    assert report.summary.mitigations[2].replication_rate.control["prompt"].n == 0


def test_a_detector_that_fails_leaves_the_verdict_open(shop: Shop) -> None:
    """6 neutral prompts promise no 1 %: nothing is known of the prompt, and the code says why."""
    report = shop.audit({**ASKED, "mitigations": [], "detectors": [{"kind": "magnitude", "images": 1}]})
    assert {(v.verdict, *v.reasons) for v in report.verdicts} == {("inconclusive", "missing: reference: METHOD_FAILED")}


def test_images_and_prompts_stand_side_by_side(shop: Shop) -> None:
    """A target with its image is compared with it, whatever a detector says; one without is not."""
    image = {"media_type": "image/png", "base64": base64.b64encode(tiny.picture_file(0)).decode()}
    both = [{"id": "fox", "prompt": tiny.TARGETS["fox"], "images": [image]}, {"id": "kite", "prompt": PROMPTS[1]}]
    report = judged(shop, -2.0).audit({**ASKED, "targets": both, "mitigations": []})
    assert [v.reference for v in cells(report, "fox")] == ["image"]
    assert cells(report, "kite")[0].reference in ("consensus", "none")
    assert [said.target_id for said in report.references] == ["kite"]


def test_an_audit_cancelled_before_its_references_says_so(shop: Shop) -> None:
    """Every target is missing its reference, with the code."""
    audit_id, _ = shop.planned({**ASKED, "mitigations": []})
    shop.cancel(audit_id)
    shop.work()
    assert {(v.verdict, *v.reasons) for v in shop.report(audit_id).verdicts} == {
        ("inconclusive", "missing: reference: CANCELLED")
    }


def heard(detector: str, *, flagged: bool | None, reason: str | None = None) -> Detected:
    """What a detector says of the fox."""
    return Detected(
        item_id="fox",
        role="target",
        detector=detector,
        score=None,
        threshold=None,
        p_value=None,
        flagged=flagged,
        reason=reason,
    )


def test_one_detector_is_enough_and_silence_must_be_everybodys(generous: Setting) -> None:
    """
    flagged beside a failure → drawn, of two noises; silent beside a failure → the failure's code; silent → not detected
    """
    fox = ItemSpec(id="fox", role="target", prompt="a red fox asleep", set_id=None, sha256=[])
    pictured = fox.model_copy(update={"id": "kite", "sha256": ["a" * 64]})
    batch = Batch(targets=[fox, pictured], controls=[])
    failed, silent = heard("b", flagged=None, reason="OUT_OF_MEMORY"), heard("a", flagged=False)

    def settled(*lines: Detected) -> tuple[str, list[str], str | None, str | None]:
        record = references.settled(generous, batch, list(lines), lambda name, content, media: name)
        [said] = record.items
        assert (record.cost.unet_sample_forwards > 0) is (said.kind == "consensus")
        return said.kind, said.flagged_by, said.picture, said.reason

    assert settled(heard("a", flagged=True), failed) == ("consensus", ["a"], "target/fox/consensus.png", None)
    assert settled(silent, failed) == ("none", [], None, "OUT_OF_MEMORY")
    assert settled(silent) == ("none", [], None, "NOT_DETECTED")


def test_a_work_without_a_caption_is_searched_for_from_generic_starts(shop: Shop) -> None:
    """
    A picture alone: the prompt probe does not apply and says so, four restarts begin by turns at noise and at another
    prompt, and the verdict stands on the search. Wanda, which looks at prompts, has nothing to prune for it.
    """
    image = {"media_type": "image/png", "base64": base64.b64encode(tiny.picture_file(0)).decode()}
    alone = {
        "targets": [{"images": [image]}, {"id": "fox", "prompt": tiny.TARGETS["fox"], "images": [image]}],
        "control_set": "tiny:controls",
        "probes": [{"kind": "prompt"}, {**SEARCH, "restarts": 4}],
        "mitigations": [{"kind": "none"}, {**WANDA, "scope": "joint"}],
    }
    report = judged(shop, 2.0).audit(alone)
    for verdict in cells(report, "target-1"):
        assert (verdict.verdict, verdict.reference, verdict.prompt) == ("not_memorized", "image", None)
        assert verdict.reasons == ["no prompt was given: the prompt probe does not apply"]
        assert verdict.adversarial["adversarial_embedding"].start in ("gaussian", "other_prompt")
    assert all(not verdict.reasons for verdict in cells(report, "fox"))
    assert any(said.startswith("1 target(s) came without a prompt") for said in report.limitations)
