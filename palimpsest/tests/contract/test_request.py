"""What may be asked, and what is refused."""

import base64
import binascii
import json
from typing import Any

import pytest
from pydantic import ValidationError

from palimpsest.contract.request import MOST_TARGETS, PIECE, AuditRequest, InlineImage, Region, pieces

PNG = base64.b64encode(b"\x89PNG").decode()
ASKED: dict[str, Any] = {
    "model": "bundled",
    "targets": [{"id": "owl", "prompt": "a watchful owl", "images": [{"media_type": "image/png", "base64": PNG}]}],
    "control_set": "bundled:controls",
    "mitigations": [{"kind": "nemo"}, {"kind": "nemo", "id": "nemo-joint", "scope": "joint"}, {"kind": "wanda"}],
    "labels": {"release": "2026-01"},
}


def parse(**changes: Any) -> AuditRequest:
    """The request with fields changed, or removed by None, as it would arrive in JSON."""
    asked = {name: value for name, value in (ASKED | changes).items() if value is not None}
    return AuditRequest.model_validate_json(json.dumps(asked))


def places(error: ValidationError) -> list[tuple[int | str, ...]]:
    """Where a request is wrong."""
    return [problem["loc"] for problem in error.errors()]


def test_a_request_survives_its_own_json() -> None:
    """Written and read again, with or without nulls, a request is equal to itself."""
    asked = parse()
    assert AuditRequest.model_validate_json(asked.model_dump_json()) == asked
    assert AuditRequest.model_validate_json(asked.model_dump_json(exclude_none=True)) == asked


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"seed": True}, ("seed",)),
        ({"seed": "1"}, ("seed",)),
        ({"seed": 1.0}, ("seed",)),
        ({"force_new": 1}, ("force_new",)),
        ({"force_new": "yes"}, ("force_new",)),
        ({"mitigations": [{"kind": "wanda", "sparsity": "0.1"}]}, ("mitigations", 0, "wanda", "sparsity")),
        ({"mitigations": [{"kind": "wanda", "sparsity": True}]}, ("mitigations", 0, "wanda", "sparsity")),
    ],
)
def test_a_value_of_another_type_is_refused_and_not_converted(changes: dict[str, Any], place: tuple[Any, ...]) -> None:
    """As the schema says: a boolean is no number, a text is neither."""
    with pytest.raises(ValidationError) as refused:
        parse(**changes)
    assert places(refused.value) == [place]


def test_detectors_are_told_apart_by_kind_and_id() -> None:
    """None by default; the same kind twice with an id each, and a mitigation is no detector."""
    assert parse().detectors == []
    twice = [{"kind": "magnitude"}, {"kind": "magnitude", "id": "first-step", "steps": 1}]
    assert [params.name for params in parse(detectors=twice).detectors] == ["magnitude", "first-step"]
    with pytest.raises(ValidationError) as refused:
        parse(detectors=[{"kind": "nemo"}])
    assert places(refused.value) == [("detectors", 0)]


def test_the_smallest_request_gets_every_default() -> None:
    """A model and a target set are enough: no mitigation, both probes, SSCD, standard effort, seed 0."""
    asked = AuditRequest(model="bundled", target_set="bundled:targets")
    assert [probe.name for probe in asked.probes] == ["prompt", "adversarial_embedding"]
    assert [scorer.name for scorer in asked.scorers] == ["sscd"]
    assert (asked.mitigations, asked.effort, asked.seed, asked.force_new) == ([], "standard", 0, False)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"mitigation": []}, ("mitigation",)),
        ({"targets": [{"prompt": "owl", "caption": "owl"}]}, ("targets", 0, "caption")),
        ({"mitigations": [{"kind": "wanda", "sparsty": 0.1}]}, ("mitigations", 0, "wanda", "sparsty")),
    ],
)
def test_a_misspelt_field_is_refused_where_it_stands(changes: dict[str, Any], place: tuple[str, ...]) -> None:
    """An unknown field is an error at every depth, never a silent default."""
    with pytest.raises(ValidationError) as refused:
        parse(**changes)
    assert place in places(refused.value)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(number: float) -> None:
    """NaN and the infinities, which Python's JSON reads, are no parameters."""
    with pytest.raises(ValidationError) as refused:
        parse(mitigations=[{"kind": "nemo", "theta": number}])
    assert places(refused.value) == [("mitigations", 0, "nemo", "theta")]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"mitigations": [{"kind": "nemo"}, {"kind": "nemo"}]}, ("mitigations",)),
        ({"mitigations": [{"kind": "wanda", "id": "nemo"}, {"kind": "nemo"}]}, ("mitigations",)),
        ({"probes": [{"kind": "prompt"}, {"kind": "prompt"}]}, ("probes",)),
        ({"detectors": [{"kind": "sharpness"}, {"kind": "magnitude", "id": "sharpness"}]}, ("detectors",)),
        ({"targets": [{"id": "owl", "prompt": "a"}, {"id": "owl", "prompt": "b"}]}, ("targets",)),
        ({"targets": [{"prompt": "a"}, {"id": "target-1", "prompt": "b"}]}, ("targets",)),
    ],
)
def test_a_repeated_id_is_refused(changes: dict[str, Any], place: tuple[str, ...]) -> None:
    """Two of a kind need an id each, and an id is taken whether it was given or is a default."""
    with pytest.raises(ValidationError) as refused:
        parse(**changes)
    assert places(refused.value) == [place]


@pytest.mark.parametrize(
    "changes",
    [
        {"target_set": "bundled:targets"},
        {"targets": None},
        {"controls": [{"prompt": "a cat"}]},
    ],
)
def test_targets_have_one_source_and_controls_at_most_one(changes: dict[str, Any]) -> None:
    """Targets xor a target set; controls, a control set, or neither."""
    with pytest.raises(ValidationError, match="give either"):
        parse(**changes)


def test_controls_may_be_left_out() -> None:
    """An audit without controls can be asked for; its verdicts will say what that costs."""
    assert parse(control_set=None).control_set is None


@pytest.mark.parametrize("count", [0, MOST_TARGETS + 1])
def test_none_and_too_many_targets_are_refused(count: int) -> None:
    """A list has 1 to 10,000 targets."""
    with pytest.raises(ValidationError) as refused:
        parse(targets=[{"prompt": "a"}] * count)
    assert places(refused.value) == [("targets",)]


@pytest.mark.parametrize("text", ["", "not base64!", "QUI", "über"])
def test_text_that_is_not_base64_is_refused(text: str) -> None:
    """An image is base64 to the letter: no spaces, no missing padding, no other alphabet."""
    with pytest.raises(ValidationError) as refused:
        InlineImage(media_type="image/png", base64=text)
    assert places(refused.value) == [("base64",)]


@pytest.mark.parametrize("length", [0, 1, 2, 3, PIECE * 3 // 4 - 1, PIECE * 3 // 4, PIECE * 3 // 4 + 1, PIECE * 2])
def test_base64_is_read_in_pieces(length: int) -> None:
    """Whatever the length, what is encoded comes back; padding within is refused, at the seam of two pieces as well."""
    content = bytes(n % 251 for n in range(length))
    assert b"".join(pieces(base64.b64encode(content).decode())) == content
    for text in ("QQ==" + "QUJD", "A" * (PIECE - 4) + "QQ==" + "QUJD", "A" * (PIECE + 1)):
        with pytest.raises(binascii.Error):
            list(pieces(text))


def test_base64_gives_the_bytes_back() -> None:
    """The picture's bytes are what was encoded."""
    assert InlineImage(media_type="image/png", base64=PNG).content == b"\x89PNG"


@pytest.mark.parametrize("identifier", ["", "-x", "a b", "a/b", "x\n", "a" * 65])
def test_an_id_that_could_not_stand_in_an_address_is_refused(identifier: str) -> None:
    """Ids are letters, digits, dots, dashes and underscores, at most 64, and begin with a letter or digit."""
    with pytest.raises(ValidationError):
        parse(targets=[{"id": identifier, "prompt": "a"}])


def test_a_request_cannot_be_changed() -> None:
    """Requests are frozen: what is echoed is what was asked."""
    with pytest.raises(ValidationError, match="frozen"):
        parse().seed = 1  # type: ignore[misc]


def test_a_region_ends_inside_the_image_up_to_rounding() -> None:
    """0.7 + 0.3 is 1, whatever it is as floats; 0.75 + 0.5 is beyond. In pixels: the nearest edges, never outside."""
    whole = Region(x=0.7, y=0.1, width=0.3, height=0.9)
    assert whole.inside
    assert whole.pixels(10, 20) == (7, 2, 10, 20)
    assert not Region(x=0.75, y=0.0, width=0.5, height=1.0).inside
    assert not Region(x=0.0, y=0.75, width=1.0, height=0.5).inside
