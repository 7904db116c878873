"""An audit from submission to report, told as a story."""

import json
import uuid
from typing import Any

import httpx
import jsonschema

from api_tests import asking
from api_tests.stack import ROOT, Stack
from palimpsest.client import AuditClient


def test_the_report_validates_and_gives_every_target_a_verdict(undisturbed: dict[str, Any]) -> None:
    """The report fits the published schema; every target has one verdict per mitigation, and the counts add up."""
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text())
    jsonschema.validate(undisturbed, schema)
    targets = {row["id"] for row in asking.rows("targets", 3)}
    for summary in undisturbed["summary"]["mitigations"]:
        judged = [v for v in undisturbed["verdicts"] if v["mitigation"] == summary["mitigation"]]
        assert {verdict["target_id"] for verdict in judged} == targets
        assert sum(summary["counts"].values()) == 3


def test_defaults_are_resolved_and_the_request_is_echoed_without_pixels(undisturbed: dict[str, Any]) -> None:
    """What was left out is filled in, and images are named by digest only."""
    assert undisturbed["resolved"]["probes"][1]["learning_rate"] == 0.1
    assert undisturbed["resolved"]["effort"]["evaluation_images"] == 4
    assert set(undisturbed["request"]["targets"][0]["images"][0]) == {"media_type", "sha256"}


def test_cost_adds_up_by_stage(undisturbed: dict[str, Any]) -> None:
    """The total is the sum of the stages, and controls were searched as well."""
    cost = undisturbed["cost"]
    assert cost["total"]["unet_sample_forwards"] == sum(s["unet_sample_forwards"] for s in cost["stages"].values())
    assert cost["stages"]["baseline"]["unet_sample_forwards_with_gradient"] > 0


def test_the_same_request_again_is_answered_from_the_record(stack: Stack, undisturbed: dict[str, Any]) -> None:
    """An equal request returns the finished audit instead of buying another."""
    again = asking.submit(stack.url, asking.small_audit())
    assert again.status_code == 200
    assert again.json()["id"] == undisturbed["audit_id"]


def test_a_repeated_key_returns_the_same_audit_and_another_body_is_refused(stack: Stack) -> None:
    """Idempotency-Key: the same audit for the same request, KEY_REUSED for another."""
    key = uuid.uuid4().hex
    request = asking.small_audit(seed=7, mitigations=[], probes=[{"kind": "prompt"}])
    first, second = asking.submit(stack.url, request, key), asking.submit(stack.url, request, key)
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["Idempotent-Replayed"] == "true"
    other = asking.submit(stack.url, {**request, "seed": 8}, key)
    assert other.json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    asking.wait(stack.url, first.json()["id"])


def test_a_poll_with_the_etag_costs_no_body(stack: Stack, undisturbed: dict[str, Any]) -> None:
    """If-None-Match answers 304 while nothing has changed."""
    url = f"{stack.url}/v1/audits/{undisturbed['audit_id']}"
    etag = httpx.get(url).headers["ETag"]
    unchanged = httpx.get(url, headers={"If-None-Match": etag})
    assert unchanged.status_code == 304
    assert unchanged.content == b""


def test_a_cancelled_audit_keeps_what_it_has(stack: Stack) -> None:
    """Cancelling stops the work, and a partial report says which cells are missing."""
    accepted = asking.submit(stack.url, asking.small_audit(seed=11)).json()
    cancelled = httpx.post(f"{stack.url}/v1/audits/{accepted['id']}/cancel")
    assert cancelled.status_code == 202
    ended = asking.wait(stack.url, accepted["id"])
    assert ended["state"] == "cancelled"
    partial = asking.report(stack.url, accepted["id"])
    assert partial["state"] == "cancelled"
    assert partial["summary"]["outcome"] != "no_finding"
    assert httpx.post(f"{stack.url}/v1/audits/{accepted['id']}/cancel").json()["code"] == "AUDIT_ALREADY_TERMINAL"


def test_the_client_speaks_to_the_same_service(stack: Stack, undisturbed: dict[str, Any]) -> None:
    """The packaged client lists models and methods and reads the report as a typed object."""
    with AuditClient(stack.url) as client:
        assert "bundled" in [model.id for model in client.models().data]
        assert {"nemo", "wanda", "none"} <= {method.kind for method in client.methods().data}
        assert client.report(undisturbed["audit_id"]).result_digest == undisturbed["result_digest"]
