"""Targets with a region, from the request to what a reader of the report sees."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest

from api_tests import asking, tiny_model
from api_tests.stack import ROOT, Stack

SQUARE = {"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5}
WORDS = "region x 0.25–0.75, y 0.25–0.75"


@pytest.fixture(scope="module")
def regional(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A service of its own, on the tiny model."""
    folder = tmp_path_factory.mktemp("regional")
    tiny_model.write(folder / "tiny")
    stack = Stack(folder / "home", tiny_model.environment(folder / "tiny"))
    stack.start()
    try:
        stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()


def asked(**changes: Any) -> dict[str, Any]:
    """Two targets, the first of which is judged in a region, beside two controls."""
    logo, print_ = asking.rows("targets", 2)
    search = {"kind": "adversarial_embedding", "steps": 1, "batch_size": 1}
    return {
        "model": "tiny",
        "targets": [{**logo, "id": "logo", "region": SQUARE}, {**print_, "id": "print"}],
        "control_set": "tiny:controls",
        "probes": [{"kind": "prompt"}, search],
        "effort": "quick",
        **changes,
    }


def rendered(stack: Stack, audit: str, format: str) -> httpx.Response:
    """One of the report's other formats, once the sweeper has made it."""
    for _ in range(60):
        answer = httpx.get(f"{stack.url}/v1/audits/{audit}/report", params={"format": format}, timeout=30)
        if answer.status_code == 200:
            return answer
        time.sleep(0.5)
    raise AssertionError(answer.text)


def test_a_region_is_judged_there_and_every_format_says_so(regional: Stack) -> None:
    """Report by the published schema, with the scope of either target; its region in SARIF, in the table and page."""
    accepted = asking.submit(regional.url, asked())
    assert accepted.status_code == 202, accepted.text
    audit = accepted.json()["id"]
    assert asking.wait(regional.url, audit)["state"] == "succeeded", regional.log("worker")
    report = asking.report(regional.url, audit)
    jsonschema.validate(report, json.loads((ROOT / "docs" / "report.schema.json").read_text()))
    assert {verdict["target_id"]: verdict["scope"] for verdict in report["verdicts"]} == {
        "logo": {"kind": "region", "region": SQUARE},
        "print": {"kind": "whole", "region": None},
    }
    assert sorted((judge["role"], judge["item_id"]) for judge in report["regions"]) == [
        ("control", "boat"),
        ("control", "lamp"),
        ("target", "logo"),
    ]
    assert report["cost"]["stages"]["regions"]["unet_sample_forwards"] > 0
    messages = [each["message"]["text"] for each in rendered(regional, audit, "sarif").json()["runs"][0]["results"]]
    assert [text.startswith(f"logo ({WORDS}) under none") for text in sorted(messages)] == [True, False]
    assert WORDS in rendered(regional, audit, "csv").text
    assert f"Judged in the {WORDS} of its image, and there alone" in rendered(regional, audit, "html").text


def test_a_list_of_targets_may_carry_regions(regional: Stack) -> None:
    """A row of JSON Lines with a region is audited as a target of a request is."""
    [row] = asking.rows("targets", 1)
    sent = httpx.post(
        f"{regional.url}/v1/target-sets",
        content=json.dumps({**row, "id": "logo", "region": SQUARE}),
        headers={"Content-Type": "application/x-ndjson", "Idempotency-Key": uuid.uuid4().hex},
        timeout=30,
    )
    assert sent.status_code == 201, sent.text
    request = asked(targets=None, target_set=sent.json()["id"], probes=[{"kind": "prompt"}])
    accepted = asking.submit(regional.url, {name: value for name, value in request.items() if value is not None})
    assert asking.wait(regional.url, accepted.json()["id"])["state"] == "succeeded", regional.log("worker")
    [verdict] = asking.report(regional.url, accepted.json()["id"])["verdicts"]
    assert verdict["scope"] == {"kind": "region", "region": SQUARE}


def test_a_region_that_cannot_be_judged_is_refused_by_name(regional: Stack) -> None:
    """The worker published that the descriptor needs 8 pixels of the model's 32; a region of 6, and one beyond."""
    [model] = httpx.get(f"{regional.url}/v1/models").json()["data"]
    assert (model["smallest_region"], model["resolution"]) == (8, 32)
    [row] = asking.rows("targets", 1)
    for region, code in (
        ({**SQUARE, "width": 6 / 32}, "REGION_TOO_SMALL"),
        ({**SQUARE, "width": 0.8}, "REGION_OUTSIDE"),
    ):
        answer = asking.submit(regional.url, asked(targets=[{**row, "region": region}]))
        assert (answer.status_code, answer.json()["code"]) == (422, code)
