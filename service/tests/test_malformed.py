"""Requests that are no AuditRequest: which code, which field, and never the value."""

from collections.abc import Callable
from typing import Any

import pytest

from service.tests.conftest import Bench

Asked = Callable[..., dict[str, Any]]

FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"model": None}, "MALFORMED_REQUEST", "model"),
    ({"model": 3}, "MALFORMED_REQUEST", "model"),
    ({"seeed": 3}, "MALFORMED_REQUEST", "seeed"),
    ({"seed": -1}, "MALFORMED_REQUEST", "seed"),
    ({"seed": float("nan")}, "MALFORMED_REQUEST", "seed"),
    ({"effort": "SECRET"}, "MALFORMED_REQUEST", "effort"),
    ({"labels": {"SECRET label": "x"}}, "MALFORMED_REQUEST", "labels.?.[key]"),
    ({"SECRET prompt in a wrong place": 1}, "MALFORMED_REQUEST", "?"),
    ({"targets": None}, "MALFORMED_REQUEST", "target_set"),
    ({"target_set": "bundled:targets"}, "MALFORMED_REQUEST", "target_set"),
    ({"controls": [], "control_set": "bundled:controls"}, "MALFORMED_REQUEST", "control_set"),
    ({"targets": []}, "NO_TARGETS", "targets"),
    ({"targets": [{}] * 10_001}, "TOO_MANY_TARGETS", "targets"),
    ({"controls": [{}] * 10_001}, "TOO_MANY_TARGETS", "controls"),
    ({"targets": [{"prompt": ["SECRET"]}]}, "MALFORMED_REQUEST", "targets.0.prompt"),
    ({"targets": [{"prompt": "SECRET" * 2000}]}, "MALFORMED_REQUEST", "targets.0.prompt"),
    ({"targets": [{"id": "a", "prompt": "x"}, {"id": "a"}]}, "MALFORMED_REQUEST", "targets"),
    ({"targets": [{"prompt": "x"}, {"id": "target-1"}]}, "MALFORMED_REQUEST", "targets"),
    (
        {"targets": [{"images": [{"media_type": "image/png", "base64": "SECRET!"}]}]},
        "IMAGE_UNREADABLE",
        "targets.0.images.0.base64",
    ),
    (
        {"targets": [{"images": [{"media_type": "image/png", "base64": ""}]}]},
        "IMAGE_UNREADABLE",
        "targets.0.images.0.base64",
    ),
    (
        {"targets": [{"images": [{"media_type": "image/gif", "base64": "AAAA"}]}]},
        "IMAGE_UNREADABLE",
        "targets.0.images.0.media_type",
    ),
    ({"mitigations": [{"kind": "SECRET"}]}, "UNKNOWN_METHOD", "mitigations.0.kind"),
    ({"mitigations": [{}]}, "UNKNOWN_METHOD", "mitigations.0.kind"),
    ({"probes": [{"kind": "nemo"}]}, "UNKNOWN_METHOD", "probes.0.kind"),
    ({"scorers": [{"kind": "SECRET"}]}, "UNKNOWN_METHOD", "scorers.0.kind"),
    ({"mitigations": [{"kind": "nemo", "thta": 1}]}, "UNKNOWN_METHOD", "mitigations.0.thta"),
    ({"mitigations": [{"kind": "nemo", "theta": "SECRET"}]}, "MALFORMED_REQUEST", "mitigations.0.theta"),
    ({"mitigations": [{"kind": "nemo", "theta": float("inf")}]}, "MALFORMED_REQUEST", "mitigations.0.theta"),
    ({"mitigations": [{"kind": "wanda"}, {"kind": "wanda"}]}, "MALFORMED_REQUEST", "mitigations"),
    ({"probes": []}, "MALFORMED_REQUEST", "probes"),
]


@pytest.mark.parametrize(("changes", "code", "field"), FIELDS, ids=[f"{code}-{field}" for _, code, field in FIELDS])
def test_a_wrong_field_is_named(bench: Bench, asked: Asked, changes: dict[str, Any], code: str, field: str) -> None:
    """422 with the code and the path, nothing recorded, and the value not repeated."""
    answer = bench.post(asked(**changes))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert field in [error["field"] for error in problem["errors"]]
    assert "SECRET" not in answer.text
    assert (bench.count(), bench.count("outbox"), bench.dispatch.published) == (0, 0, [])


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"model": }', b"[" * 100_000, b"\xff\xfe", b"[]", b"null", b'"\\ud800"', b'{"\\ud800": 1}', b"NaN"],
)
def test_what_is_no_json_object_is_malformed(bench: Bench, body: bytes) -> None:
    """Cut off, nested without end, not UTF-8, or JSON of another shape."""
    answer = bench.post(body)
    assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED_REQUEST")


def test_a_body_without_a_media_type_is_malformed(bench: Bench) -> None:
    """A form, say, is not read as JSON."""
    answer = bench.post(b"model=bundled", **{"Content-Type": "application/x-www-form-urlencoded"})
    assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED_REQUEST")


def test_all_that_is_wrong_is_said_at_once_within_reason(bench: Bench, asked: Asked) -> None:
    """Sixty wrong targets are sixty in the detail and fifty in the list."""
    answer = bench.post(asked(targets=[{"prompt": 1}] * 60)).json()
    assert len(answer["errors"]) == 50
    assert "59 more" in answer["detail"]
