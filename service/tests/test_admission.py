"""Requests that are well formed and cannot be done here."""

from collections.abc import Callable
from typing import Any

import pytest

from service.tests.cards import method_cards, model_card
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


def test_a_detector_is_admitted_like_any_method(bench: Bench, asked: Asked) -> None:
    """Two that are offered pass; one that no worker offers, or that the model cannot have, is refused by its place."""
    both = [{"kind": "magnitude"}, {"kind": "sharpness"}]
    bench.submitted(asked(detectors=both))
    answer = bench.post(asked(detectors=[*both, {"kind": "bright_ending"}]), key="key-0000-0000-0002").json()
    assert (answer["code"], answer["errors"][0]["field"]) == ("UNKNOWN_METHOD", "detectors.2.kind")
    bench.publish(inapplicable=[{"kind": "sharpness", "reason": "it cannot be bent"}])
    answer = bench.post(asked(detectors=both), key="key-0000-0000-0003").json()
    assert (answer["code"], answer["errors"][0]["field"]) == ("METHOD_NOT_APPLICABLE", "detectors.1.kind")


def test_utility_is_admitted_but_for_inception(bench: Bench, asked: Asked) -> None:
    """The weights that FID needs are on no worker."""
    bench.submitted(asked(analyses=[{"kind": "utility"}]))
    answer = bench.post(asked(analyses=[{"kind": "utility", "inception": True}]), key="key-0000-0000-0002").json()
    assert (answer["code"], answer["errors"][0]["field"]) == ("METHOD_NOT_APPLICABLE", "analyses.0.inception")


def test_a_detector_makes_an_image_dispensable_for_a_target_but_not_for_a_control(bench: Bench, asked: Asked) -> None:
    """With one, a prompt alone is admitted; without one, and for a control, the image that is missing is named."""
    bare, heard = [{"prompt": "SECRET"}], [{"kind": "magnitude"}]
    bench.submitted(asked(targets=bare, detectors=heard))
    answer = bench.post(asked(targets=bare, controls=bare, detectors=heard), key="key-0000-0000-0002").json()
    assert [(error["code"], error["field"]) for error in answer["errors"]] == [
        ("TARGET_WITHOUT_IMAGE", "controls.0.images")
    ]
    answer = bench.post(asked(targets=bare), key="key-0000-0000-0003").json()
    assert [(error["code"], error["field"]) for error in answer["errors"]] == [
        ("TARGET_WITHOUT_IMAGE", "targets.0.images")
    ]
    assert "detectors" in answer["detail"]


def test_a_threshold_that_cannot_be_calibrated_is_refused_before_queueing(bench: Bench, asked: Asked) -> None:
    """
    1 % takes 99 neutral prompts: ⌊0.01 · 100⌋ = 1, and of 98 it is 0. The field at fault is the number asked for, or
    where the model has no more, the rate. A worker that does not say how many it has is trusted.
    """
    heard = [{"kind": "sharpness"}, {"kind": "magnitude", "neutral_prompts": 98}]
    bench.submitted(asked(detectors=heard))
    bench.publish(neutral_prompts=99)
    answer = bench.post(asked(detectors=heard), key="key-0000-0000-0002").json()
    assert [(error["code"], error["field"]) for error in answer["errors"]] == [
        ("METHOD_NOT_APPLICABLE", "detectors.1.neutral_prompts")
    ]
    bench.publish(neutral_prompts=98)
    answer = bench.post(asked(detectors=heard[:1]), key="key-0000-0000-0003").json()
    assert [(error["code"], error["field"]) for error in answer["errors"]] == [
        ("METHOD_NOT_APPLICABLE", "detectors.0.false_positive_rate")
    ]
    assert "98 neutral prompts" in answer["detail"]


def test_locality_needs_two_images_to_compare(bench: Bench, asked: Asked) -> None:
    """A set of eight has them; one target with an image beside one without has not."""
    bench.submitted(asked(targets=None, target_set="bundled:targets", analyses=[{"kind": "locality"}]))
    [pictured] = asked()["targets"]
    two = {"targets": [pictured, {"prompt": "x"}], "detectors": [{"kind": "magnitude"}]}
    answer = bench.post(asked(**two, analyses=[{"kind": "locality"}]), key="key-0000-0000-0002").json()
    assert (answer["code"], answer["errors"][0]["field"]) == ("METHOD_NOT_APPLICABLE", "analyses.0.kind")


def test_everything_wrong_is_said_at_once(bench: Bench, asked: Asked) -> None:
    """Four problems in one answer, the first giving the code."""
    answer = bench.post(asked(model="x", baseline_model="y", targets=[{}])).json()
    assert [error["code"] for error in answer["errors"]] == [
        "UNKNOWN_MODEL",
        "UNKNOWN_MODEL",
        "BASELINE_MODEL_UNSUPPORTED",
        "TARGET_EMPTY",
    ]
    assert "3 more" in answer["detail"]


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


BESIDE: dict[str, Any] = {"model": "mended", "baseline_model": "bundled", "mitigations": [{"kind": "external"}]}
"""A model mitigated elsewhere, beside the one it came from."""


@pytest.fixture
def beside(bench: Bench) -> Bench:
    """A gateway that knows a model, what was made of it elsewhere, and models it cannot have been made of."""
    sets = [{"id": "mended:own", "title": "", "size": 3}]
    others = [
        model_card("mended", digest="a" * 64, target_sets=sets),
        model_card("twin", digest="a" * 64),
        model_card("larger", digest="b" * 64, family="stable-diffusion-2", resolution=512, tokenizer_length=9),
    ]
    methods = method_cards(mitigation=["none", "nemo", "wanda", "external"])
    bench.publish(methods=methods, others=others, inapplicable=[{"kind": "nemo", "reason": "of the baseline"}])
    return bench


def test_a_model_mitigated_elsewhere_is_admitted_beside_its_baseline(beside: Bench, asked: Asked) -> None:
    """Alone, and with other mitigations, which are the baseline's; the sets of both models can be asked for."""
    beside.submitted(asked(**BESIDE))
    both = {**BESIDE, "mitigations": [{"kind": "external"}, {"kind": "wanda"}]}
    beside.submitted(asked(**both), key="key-0000-0000-0002")
    sets = {**BESIDE, "targets": None, "target_set": "bundled:targets", "control_set": "mended:own"}
    answer = beside.post(asked(**sets), key="key-0000-0000-0003", query="?validate_only=true")
    assert (answer.status_code, answer.json()["targets"], answer.json()["controls"]) == (200, 8, 3)
    assert answer.json()["model_digest"] == "a" * 64


@pytest.mark.parametrize(
    ("changes", "code", "field", "detail"),
    [
        ({"baseline_model": "SECRET"}, "UNKNOWN_MODEL", "baseline_model", "no such model"),
        ({"baseline_model": "mended"}, "BASELINE_MODEL_UNSUPPORTED", "baseline_model", "the very model under audit"),
        ({"baseline_model": "twin"}, "BASELINE_MODEL_UNSUPPORTED", "baseline_model", "the very model under audit"),
        (
            {"baseline_model": "larger"},
            "BASELINE_MODEL_UNSUPPORTED",
            "baseline_model",
            "family stable-diffusion-1 and stable-diffusion-2, resolution 64 and 512, tokenizer_length 77 and 9",
        ),
        (
            {"mitigations": [{"kind": "wanda"}]},
            "BASELINE_MODEL_UNSUPPORTED",
            "baseline_model",
            "no mitigation external",
        ),
        ({"baseline_model": None}, "METHOD_NOT_APPLICABLE", "mitigations.0.kind", "it needs baseline_model"),
        (
            {"mitigations": [{"kind": "external"}, {"kind": "nemo"}]},
            "METHOD_NOT_APPLICABLE",
            "mitigations.1.kind",
            "of the baseline",
        ),
    ],
    ids=["unknown", "itself", "its-twin", "another-kind", "nobody-asks", "no-baseline", "not-of-the-baseline"],
)
def test_a_baseline_that_does_not_fit_is_refused_before_anything_is_recorded(
    beside: Bench, asked: Asked, changes: dict[str, Any], code: str, field: str, detail: str
) -> None:
    """One problem, which says what is wrong and does not repeat the value."""
    answer = beside.post(asked(**{**BESIDE, **changes}))
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["code"], error["field"]) == (code, field)
    assert detail in error["detail"]
    assert "SECRET" not in answer.text
    assert beside.count() == 0


def test_an_answer_for_another_baseline_is_not_reused(beside: Bench, asked: Asked) -> None:
    """The same request once the baseline's weights have changed is another question."""
    beside.submitted(asked(**BESIDE))
    with beside.ledger.reading() as connection:
        first = connection.exec_driver_sql("SELECT request_digest FROM audits").scalar_one()
    methods = method_cards(mitigation=["none", "nemo", "wanda", "external"])
    beside.publish(methods=methods, digest="c" * 64, others=[model_card("mended", digest="a" * 64)])
    beside.submitted(asked(**BESIDE), key="key-0000-0000-0002")
    with beside.ledger.reading() as connection:
        digests = connection.exec_driver_sql("SELECT DISTINCT request_digest FROM audits").scalars().all()
    assert len(digests) == 2
    assert first in digests
