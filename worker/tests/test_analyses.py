"""Utility in an audit, from submission to report, on the tiny model."""

from typing import Any

from palimpsest.contract.methods import UtilityParams
from worker.engine.catalogue import loads
from worker.engine.edits import Edit
from worker.engine.setting import EFFORTS, Sampler, Setting
from worker.engine.utility import measure
from worker.tests import tiny
from worker.tests.shop import TENANT, Shop

CHEAP: dict[str, Any] = {"prompts": 3, "seeds": 2, "candidates": 2, "pairs": 1}
WANDA: dict[str, Any] = {"kind": "wanda", "timesteps": 1, "sparsity": 0.1}
ASKED: dict[str, Any] = {
    "target_set": "tiny:targets",
    "probes": [{"kind": "prompt"}],
    "mitigations": [{"kind": "none"}, WANDA, {**WANDA, "id": "joint", "scope": "joint"}],
    "analyses": [{"kind": "utility", **CHEAP}],
}


def test_every_edit_is_analysed_as_the_engine_does(shop: Shop) -> None:
    """Per target, for the batch's three; joint, for all; leaving the model alone changes nothing to be measured."""
    audit_id = shop.submit(ASKED)
    shop.work()
    report = shop.report(audit_id)
    said = report.analyses["utility"]
    assert [(a.mitigation, a.targets, a.reason) for a in said] == [
        ("wanda", list(tiny.TARGETS), None),
        ("joint", [], None),
    ]
    [made] = shop.results(audit_id, "mitigate:joint")
    assert made.result is not None
    edit = loads(shop.workshop.evidence.get(TENANT, made.result["edit"]))
    assert isinstance(edit, Edit)
    model = shop.workshop.model("tiny")
    model.on_forward = None
    setting = Setting(model, shop.workshop.descriptor, Sampler(2, 3.0), EFFORTS["quick"], 0, tiny.NEUTRAL)
    assert said[1].result == measure.measure(setting, edit, UtilityParams(**CHEAP)).model_dump(mode="json")
    assert report.cost.stages["analyse:utility"].unet_sample_forwards > 0
    assert shop.audit(ASKED).result_digest == report.result_digest


def test_an_analysis_that_fails_leaves_its_code(shop: Shop) -> None:
    """No Inception weights here: the verdicts stand, the entry has no numbers."""
    inception = {**ASKED, "mitigations": [WANDA], "analyses": [{"kind": "utility", **CHEAP, "inception": True}]}
    report = shop.audit(inception)
    [said] = report.analyses["utility"]
    assert (said.mitigation, said.result, said.reason) == ("wanda", None, "METHOD_FAILED")
    assert report.verdicts == shop.audit({**inception, "analyses": []}).verdicts


def test_nothing_is_analysed_where_nothing_is_mitigated(shop: Shop) -> None:
    """The list is there, and empty."""
    assert shop.audit({**ASKED, "mitigations": []}).analyses == {"utility": []}
