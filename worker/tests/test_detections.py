"""Detectors in an audit, from submission to report, on the tiny model."""

from typing import Any

from palimpsest.contract.methods import MagnitudeParams
from worker.detections import prompted
from worker.engine import detection
from worker.engine.setting import EFFORTS, Sampler, Setting
from worker.plan import Batch, ItemSpec
from worker.tests import tiny
from worker.tests.shop import Shop

CHEAP = {"images": 1, "false_positive_rate": 0.2}
ASKED: dict[str, Any] = {
    "target_set": "tiny:targets",
    "control_set": "tiny:controls",
    "probes": [{"kind": "prompt"}],
    "detectors": [{"kind": "magnitude", "steps": 1, **CHEAP}, {"kind": "sharpness", "id": "bent", **CHEAP}],
}
NAMES = ["magnitude", "bent"]


def test_every_caption_is_scored_on_the_unmitigated_model(shop: Shop) -> None:
    """3 targets and 2 controls under 2 detectors: the engine's own scores, thresholds and decisions, in order."""
    report = shop.audit(ASKED)
    ids = [*(("target", id) for id in tiny.TARGETS), *(("control", id) for id in tiny.CONTROLS)]
    assert [(d.detector, d.role, d.item_id) for d in report.detections] == [(n, *id) for n in NAMES for id in ids]
    model = shop.workshop.model("tiny")
    model.on_forward = None
    setting = Setting(model, shop.workshop.descriptor, Sampler(2, 3.0), EFFORTS["quick"], 0, tiny.NEUTRAL)
    captions = [*tiny.TARGETS.values(), *tiny.CONTROLS.values()]
    direct = detection.detect(setting, captions, MagnitudeParams(images=1, steps=1, false_positive_rate=0.2))
    for said, found in zip(report.detections, direct, strict=False):
        assert (said.score, said.threshold, said.p_value) == (found.score, found.threshold, found.p)
        assert said.flagged is found.flagged
        assert said.reason is None


def test_the_cost_of_detection_is_told_by_stage(shop: Shop) -> None:
    """One step, one noise, two passes a prompt: 6 neutral prompts are 12, 5 captions 10. Sharpness: six, 36 and 30."""
    report = shop.audit(ASKED)
    stages = ["calibrate:magnitude", "detect:magnitude", "calibrate:bent", "detect:bent"]
    assert [report.cost.stages[stage].unet_sample_forwards for stage in stages] == [12, 10, 36, 30]
    total = sum(cost.unet_sample_forwards for cost in report.cost.stages.values())
    assert report.cost.total.unet_sample_forwards == total


def test_an_equal_request_has_an_equal_digest_though_the_calibration_is_at_hand(shop: Shop) -> None:
    """The second audit is spared the neutral prompts and says the same."""
    first, second = shop.audit(ASKED), shop.audit(ASKED)
    assert len(shop.workshop.calibrations) == 2
    assert first.result_digest == second.result_digest
    assert first.detections == second.detections


def test_a_detector_that_cannot_be_calibrated_costs_nobody_a_verdict(shop: Shop) -> None:
    """6 neutral prompts promise no 1 %: the lines have the code, the other detector and the verdicts stand."""
    report = shop.audit({**ASKED, "detectors": [{"kind": "magnitude", "images": 1}, ASKED["detectors"][1]]})
    failed = [said for said in report.detections if said.detector == "magnitude"]
    assert {(said.score, said.threshold, said.p_value, said.flagged) for said in failed} == {(None,) * 4}
    assert {said.reason for said in failed} == {"METHOD_FAILED"}
    assert all(said.flagged is not None for said in report.detections if said.detector == "bent")
    assert report.verdicts == shop.audit({**ASKED, "detectors": []}).verdicts


def test_who_has_no_caption_is_not_asked_about() -> None:
    """Targets before controls."""
    specs = {
        role: [
            ItemSpec(id=f"{role}-{prompt}", role=role, prompt=prompt, set_id=None, sha256=["a" * 64])
            for prompt in ("a fox", None)
        ]
        for role in ("target", "control")
    }
    batch = Batch(targets=specs["target"], controls=specs["control"])
    assert [prompt.item_id for prompt in prompted([batch])] == ["target-a fox", "control-a fox"]
