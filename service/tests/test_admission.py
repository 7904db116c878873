"""Requests that are well formed and cannot be done here."""

from collections.abc import Callable
from typing import Any

import pytest

from service.tests.cards import method_cards
from service.tests.conftest import Bench

Asked = Callable[..., dict[str, Any]]

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"model": "SECRET"}, "UNKNOWN_MODEL", "model"),
    ({"targets": None, "target_set": "SECRET"}, "UNKNOWN_TARGET_SET", "target_set"),
    ({"control_set": "SECRET"}, "UNKNOWN_TARGET_SET", "control_set"),
    ({"baseline_model": "bundled"}, "BASELINE_MODEL_UNSUPPORTED", "baseline_model"),
    ({"targets": [{}]}, "TARGET_EMPTY", "targets.0"),
    ({"targets": [{"prompt": "  "}]}, "TARGET_EMPTY", "targets.0"),
    ({"targets": [{"prompt": "SECRET"}]}, "TARGET_WITHOUT_IMAGE", "targets.0.images"),
    ({"controls": [{"prompt": "SECRET"}]}, "TARGET_WITHOUT_IMAGE", "controls.0.images"),
    (
        {"targets": [{"prompt": "x", "region": {"x": 0, "y": 0, "width": 0.5, "height": 0.5}}]},
        "REGION_UNSUPPORTED",
        "targets.0.region",
    ),
]


@pytest.mark.parametrize(("changes", "code", "field"), REFUSED, ids=[f"{code}-{field}" for _, code, field in REFUSED])
def test_what_cannot_be_done_is_refused_by_name(
    bench: Bench, asked: Asked, changes: dict[str, Any], code: str, field: str
) -> None:
    """422 with the code and the path, nothing recorded, no blob kept, and the value not repeated."""
    answer = bench.post(asked(**changes))
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert "SECRET" not in answer.text
    assert (bench.count(), bench.dispatch.published, bench.evidence.root.exists()) == (0, [], False)


def test_a_method_nobody_offers_is_unknown(bench: Bench, asked: Asked) -> None:
    """The contract knows wanda, this engine does not."""
    bench.publish(methods=method_cards(mitigation=["none", "nemo"]))
    answer = bench.post(asked()).json()
    assert (answer["code"], answer["errors"][0]["field"]) == ("UNKNOWN_METHOD", "mitigations.0.kind")


def test_a_method_the_model_cannot_have_is_refused_with_the_reason(bench: Bench, asked: Asked) -> None:
    """The worker's reason is the detail."""
    bench.publish(inapplicable=[{"kind": "wanda", "reason": "it has no feed-forward layers"}])
    answer = bench.post(asked(mitigations=[{"kind": "none"}, {"kind": "wanda"}])).json()
    assert (answer["code"], answer["errors"][0]["field"]) == ("METHOD_NOT_APPLICABLE", "mitigations.1.kind")
    assert "it has no feed-forward layers" in answer["detail"]


def test_everything_wrong_is_said_at_once(bench: Bench, asked: Asked) -> None:
    """Three problems in one answer, the first giving the code."""
    answer = bench.post(asked(model="x", baseline_model="y", targets=[{}])).json()
    assert [error["code"] for error in answer["errors"]] == [
        "UNKNOWN_MODEL",
        "BASELINE_MODEL_UNSUPPORTED",
        "TARGET_EMPTY",
    ]
    assert "2 more" in answer["detail"]


def test_what_is_only_inconclusive_is_admitted(bench: Bench, asked: Asked, inline: Callable[..., Any]) -> None:
    """A target without a prompt under a pruning method, a prompt beyond the tokenizer, and the model's own sets."""
    bench.submitted(asked(targets=[{"images": [inline()]}]))
    bench.submitted(asked(targets=[{"prompt": "cat " * 2000, "images": [inline()]}]), key="key-0000-0000-0002")
    sets = asked(targets=None, target_set="bundled:targets", control_set="bundled:controls")
    bench.submitted(sets, key="key-0000-0000-0003")


def test_a_model_mitigated_elsewhere_needs_the_one_it_came_from(bench: Bench, asked: Asked) -> None:
    """``external`` without ``baseline_model`` would measure nothing against nothing."""
    bench.publish(methods=method_cards(mitigation=["none", "nemo", "wanda", "external"]))
    answer = bench.post(asked(mitigations=[{"kind": "external"}])).json()
    assert (answer["code"], answer["errors"][0]["field"]) == ("METHOD_NOT_APPLICABLE", "mitigations.0.kind")
