"""Requests whose targets have a region."""

from collections.abc import Callable
from typing import Any

import pytest

from palimpsest.contract.request import MOST_REGIONS
from service.tests.conftest import Bench

Asked = Callable[..., dict[str, Any]]
Inline = Callable[..., dict[str, str]]
HALF = {"x": 0.0, "y": 0.0, "width": 0.5, "height": 0.5}


def refused(bench: Bench, request: dict[str, Any], key: str = "key-0000-0000-0001") -> list[tuple[str, str]]:
    """Code and field of everything that is wrong; nothing was recorded."""
    answer = bench.post(request, key=key)
    assert answer.status_code == 422
    assert bench.count() == 0
    return [(error["code"], error["field"]) for error in answer.json()["errors"]]


def test_a_target_with_one_image_may_have_a_region(bench: Bench, asked: Asked, inline: Inline) -> None:
    """It is recorded as it was given, beside a target that is judged as a whole."""
    bench.publish(smallest_region=16)
    targets = [{"id": "logo", "images": [inline()], "region": HALF}, {"id": "print", "images": [inline()]}]
    bench.submitted(asked(targets=targets))
    assert bench.count() == 1


@pytest.mark.parametrize("region", [{**HALF, "x": 0.6}, {**HALF, "y": 0.75, "height": 0.3}])
def test_a_region_ends_where_the_image_does(
    bench: Bench, asked: Asked, inline: Inline, region: dict[str, float]
) -> None:
    """0.6 + 0.5 and 0.75 + 0.3 are beyond 1."""
    found = refused(bench, asked(targets=[{"images": [inline()], "region": region}]))
    assert found == [("REGION_OUTSIDE", "targets.0.region")]


def test_a_region_needs_pixels_at_the_models_resolution(bench: Bench, asked: Asked, inline: Inline) -> None:
    """
    The model draws 64 pixels a side, and the descriptor needs 16 of them: a quarter is enough, 15 of 64 are not, in
    either direction. The detail has both numbers. A worker that does not say what it needs is trusted.
    """
    bench.publish(smallest_region=16)
    small = {**HALF, "height": 15 / 64}
    request = asked(targets=[{"images": [inline()], "region": small}])
    answer = bench.post(request)
    assert answer.json()["code"] == "REGION_TOO_SMALL"
    assert "32 × 15 pixels" in answer.text
    assert "needs 16 a side" in answer.text
    bench.submitted(asked(targets=[{"images": [inline()], "region": {**HALF, "height": 0.25}}]))
    bench.publish(smallest_region=None)
    bench.submitted(request, key="key-0000-0000-0002")


def test_a_region_is_of_a_targets_one_image(bench: Bench, asked: Asked, inline: Inline) -> None:
    """Not of a control, of several images, or of a caption alone, whatever a detector would say of it."""
    picture = inline()
    targets = [{"images": [picture, picture], "region": HALF}, {"prompt": "a cat", "region": HALF}]
    controls = [{"images": [picture], "region": HALF}]
    found = refused(bench, asked(targets=targets, controls=controls, detectors=[{"kind": "magnitude"}]))
    assert found == [
        ("REGION_UNSUPPORTED", "targets.0.region"),
        ("REGION_UNSUPPORTED", "targets.1.region"),
        ("REGION_UNSUPPORTED", "controls.0.region"),
    ]


def test_different_regions_are_counted_equal_ones_once(bench: Bench, asked: Asked, inline: Inline) -> None:
    """Sixteen are taken, twice each; with a seventeenth its target is named."""
    picture = inline()
    regions = [{**HALF, "x": n / 64} for n in range(MOST_REGIONS + 1)]
    targets = [{"images": [picture], "region": region} for region in [*regions[:-1], *regions[:-1]]]
    extra = [*targets, {"images": [picture], "region": regions[-1]}]
    assert refused(bench, asked(targets=extra)) == [("TOO_MANY_REGIONS", "targets.32.region")]
    bench.submitted(asked(targets=targets))
