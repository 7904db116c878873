"""Locality in an audit, from submission to report, on the tiny model."""

from dataclasses import replace
from typing import Any

import pytest

from palimpsest.contract.methods import LocalityParams
from worker.engine.images import decode
from worker.engine.items import Item
from worker.engine.locality import analysis, triggers
from worker.engine.setting import EFFORTS, Sampler, Setting
from worker.tests import tiny
from worker.tests.shop import TENANT, Shop

CHEAP: dict[str, Any] = {
    "triggers": 2,
    "starts": ["gaussian"],
    "steps": 1,
    "batch_size": 1,
    "prompts": 3,
    "permutations": 99,
    "nemo": {"kind": "nemo", "seeds": 2, "similarity": 1e-6, "refine": False},
    "wanda": {"kind": "wanda", "timesteps": 1, "sparsity": 0.1},
}
ASKED: dict[str, Any] = {
    "target_set": "tiny:targets",
    "probes": [{"kind": "prompt"}],
    "analyses": [{"kind": "locality", **CHEAP}],
}


def test_the_report_has_the_engines_own_numbers(shop: Shop, targets: list[Item]) -> None:
    """
    3 targets, 2 searches each, a judge to whom everything is a copy: the three indications as the engine has them when
    asked directly, and a figure of each. No mitigation is asked for, and none is named.
    """
    shop.workshop.descriptor = replace(shop.workshop.descriptor, threshold=-2.0)
    report = shop.audit(ASKED)
    [said] = report.analyses["locality"]
    assert (said.mitigation, said.targets, said.reason) == (None, list(tiny.TARGETS), None)
    assert said.result is not None
    figures = said.result.pop("figures")
    model = shop.workshop.model("tiny")
    model.on_forward = None
    setting = Setting(model, shop.workshop.descriptor, Sampler(2, 3.0), EFFORTS["quick"], 0, tiny.NEUTRAL)
    direct = analysis.analyse(setting, targets, LocalityParams.model_validate(CHEAP))
    assert said.result == direct.model_dump(mode="json")
    assert said.result["spread"][0]["distance"]["p"] is not None
    for digest in figures.values():
        assert decode(shop.workshop.evidence.get(TENANT, digest)).shape[0] == 3
    assert len(figures) == 3
    stages = report.cost.stages
    assert stages["search:locality"].unet_sample_forwards_with_gradient == 3 * 2
    assert stages["analyse:locality"].unet_sample_forwards > 0
    assert any(
        sentence.startswith("locality: triggers are those its searches found of 3") for sentence in report.limitations
    )
    assert shop.audit(ASKED).result_digest == report.result_digest


def test_where_no_search_finds_a_trigger_there_are_no_numbers(shop: Shop) -> None:
    """A judge to whom nothing is a copy: the entry has the code, the verdicts stand."""
    shop.workshop.descriptor = replace(shop.workshop.descriptor, threshold=2.0)
    report = shop.audit(ASKED)
    [said] = report.analyses["locality"]
    assert (said.result, said.reason) == (None, "METHOD_FAILED")
    assert {verdict.target_id for verdict in report.verdicts} == set(tiny.TARGETS)


@pytest.mark.parametrize("found", [0, 4])
def test_triggers_of_several_units_are_joined(generous: Setting, targets: list[Item], found: int) -> None:
    """Two units of two targets or none: counted together; one that found nothing takes part with its tries alone."""
    params = LocalityParams.model_validate(CHEAP)
    first = triggers.search(generous, targets[:2], "gaussian", params)
    other = first if found else triggers.none_of("gaussian", 4)
    both = triggers.joined([first, other])
    assert (both.tried, both.found, len(both.y), len(both.images)) == (8, 4 + found, 4 + found, 4 + found)
    again = triggers.loads(triggers.dumps(both), both.start, both.images, both.tried)
    assert (again.y.equal(both.y), again.y_0.equal(both.y_0), again.found) == (True, True, both.found)
