"""An audit from submission to report, unit by unit, on the tiny model."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from ledger import audits
from palimpsest.contract.methods import WandaParams
from palimpsest.contract.report import AuditReport, Replication
from palimpsest.contract.request import AuditRequest
from worker.engine.edits import JOINT, loads
from worker.engine.images import read
from worker.engine.mitigations import wanda
from worker.engine.report import canonical, result_digest
from worker.job import request_of
from worker.tests import tiny
from worker.tests.shop import TENANT, Shop

SEARCH = {"kind": "adversarial_embedding", "steps": 2, "batch_size": 1}
FULL: dict[str, Any] = {
    "target_set": "tiny:targets",
    "control_set": "tiny:controls",
    "mitigations": [
        {"kind": "none"},
        {"kind": "nemo", "seeds": 2},
        {"kind": "wanda", "timesteps": 1, "sparsity": 0.1},
        {"kind": "wanda", "id": "wanda-joint", "timesteps": 1, "sparsity": 0.1, "scope": "joint"},
    ],
    "probes": [{"kind": "prompt"}, SEARCH],
    "labels": {"team": "tests"},
}
SMALL: dict[str, Any] = {
    "target_set": "tiny:targets",
    "control_set": "tiny:controls",
    "mitigations": [{"kind": "wanda", "timesteps": 1, "sparsity": 0.1}],
    "probes": [{"kind": "prompt"}, {**SEARCH, "steps": 1}],
}


@dataclass(frozen=True)
class Done:
    """A finished audit and the shop it was done in."""

    shop: Shop
    audit_id: str
    report: AuditReport


@pytest.fixture(scope="module")
def done(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """Four mitigations, two probes, three targets and two controls."""
    shop = Shop.open(demo, tmp_path_factory.mktemp("done"))
    audit_id = shop.submit(FULL)
    shop.work()
    yield Done(shop, audit_id, shop.report(audit_id))
    shop.close()


def answers(report: AuditReport) -> list[Replication]:
    """Everything that was seen of a target."""
    return [
        answer
        for v in report.verdicts
        for answer in [v.before.prompt, *v.before.adversarial.values(), v.prompt, *v.adversarial.values()]
        if answer is not None
    ]


def test_the_audit_ends_well(done: Done) -> None:
    """Every unit is done, and the row says what the report says."""
    row = done.shop.row(done.audit_id)
    assert {unit.state for unit in done.shop.results(done.audit_id)} == {"done"}
    assert (row.state, row.outcome, row.result_digest) == (
        "succeeded",
        done.report.summary.outcome,
        done.report.result_digest,
    )
    assert done.shop.history(done.audit_id)[-1] == "audit.succeeded"


def test_every_verdict_is_accounted_for(done: Done) -> None:
    """3 targets × 4 mitigations, each once; the counts of every row make 3, and nothing is missing."""
    cells = {(v.target_id, v.mitigation) for v in done.report.verdicts}
    names = ["none", "nemo", "wanda", "wanda-joint"]
    assert len(done.report.verdicts) == 12
    assert cells == {(target, name) for target in tiny.TARGETS for name in names}
    assert [row.mitigation for row in done.report.summary.mitigations] == names
    assert all(sum(row.counts.values()) == 3 for row in done.report.summary.mitigations)
    assert not any("missing" in reason for v in done.report.verdicts for reason in v.reasons)


def test_every_answer_is_complete(done: Done) -> None:
    """4 pictures of effort quick each; the search's steps, start and losses with it."""
    assert len(answers(done.report)) == 12 * 4
    for answer in answers(done.report):
        assert len(answer.scores) == 4
        assert answer.hits == sum(score > 0.5 for score in answer.scores)
        assert answer.replicates is (answer.hits >= 2)
    for verdict in done.report.verdicts:
        search = verdict.adversarial["adversarial_embedding"]
        assert (search.start, search.steps, len(search.loss)) == ("prompt", 2, 2)


def test_controls_have_the_targets_budget(done: Done) -> None:
    """2 controls; per target one of them stands beside two targets, and counts once."""
    rates = {
        (row.mitigation, probe): rate.n
        for row in done.report.summary.mitigations
        for probe, rate in row.replication_rate.control.items()
    }
    for probe in ("prompt", "adversarial_embedding"):
        assert [rates[name, probe] for name in ("none", "nemo", "wanda", "wanda-joint")] == [2, 2, 2, 2]


def test_all_evidence_named_in_the_report_is_kept(done: Done) -> None:
    """Pictures, embeddings, three edits, a delta of the joint one and the report, each readable under its digest."""
    with done.shop.workshop.ledger.reading() as connection:
        kept = audits.evidence_of(connection, TENANT, done.audit_id)
    digests = {digest for _, digest, _ in kept}
    for answer in answers(done.report):
        assert {*answer.images, *([answer.embedding] if answer.embedding else [])} <= digests
    for digest in digests:
        assert done.shop.workshop.evidence.get(TENANT, digest)
    assert {kind for kind, _, _ in kept} == {"image", "embedding", "artifact", "report"}
    assert sum(kind == "artifact" for kind, _, _ in kept) == 4


def test_an_artifact_is_the_mitigations_edit(done: Done) -> None:
    """What was kept for wanda-joint switches off what the report says, of one group."""
    [made] = done.shop.results(done.audit_id, "mitigate:wanda-joint")
    assert made.result is not None
    edit = loads(done.shop.workshop.evidence.get(TENANT, made.result["edit"]))
    [row] = [row for row in done.report.summary.mitigations if row.mitigation == "wanda-joint"]
    assert edit.joint
    assert row.switched_off is not None
    assert (row.switched_off.count, row.switched_off.of) == (edit.off(JOINT), edit.size)


def test_what_was_asked_and_what_it_came_to_are_both_told(done: Done) -> None:
    """The request as it was, and every default beside it; who was judged, and by whom."""
    assert done.report.request["mitigations"][1]["similarity"] is None
    assert done.report.resolved["probes"][1]["restarts"] == 1
    assert done.report.resolved["sampler"]["steps"] == 2
    [model] = done.report.models
    assert (model.id, model.digest) == ("tiny", done.shop.workshop.model("tiny").digest)
    assert [judge.kind for judge in done.report.judges] == ["sscd", "tiled_l2"]
    assert done.report.judges[0].digest == done.shop.workshop.descriptor.digest
    assert done.report.seeds == {"seed": 0}
    assert done.report.environment["engine"] == done.shop.workshop.engine


def test_costs_are_told_by_stage(done: Done) -> None:
    """Baseline: 5 items × (4 + 4 pictures) × 2 steps × 2 halves; with a gradient 5 × 2 steps × 1 pair."""
    stages = done.report.cost.stages
    assert (stages["baseline"].unet_sample_forwards, stages["baseline"].unet_sample_forwards_with_gradient) == (160, 10)
    assert stages["probe:wanda-joint"].unet_sample_forwards == 160
    assert stages["probe:wanda"].unet_sample_forwards == 192
    assert stages["mitigate:none"].unet_sample_forwards == 0
    total = sum(stage.unet_sample_forwards for stage in stages.values())
    assert done.report.cost.total.unet_sample_forwards == total


def test_the_kept_report_is_canonical_and_proves_its_digest(done: Done) -> None:
    """The bytes that are served are the ones the digest can be recomputed from."""
    row = done.shop.row(done.audit_id)
    assert row.report_digest is not None
    content = done.shop.workshop.evidence.get(TENANT, row.report_digest)
    assert content == canonical(done.report.model_dump(mode="json"))
    assert result_digest(done.report) == done.report.result_digest


def test_equal_requests_have_equal_digests_whatever_happens_on_the_way(demo: Path, tmp_path: Path) -> None:
    """Another ledger, other labels, units in reverse and one lost twice: the same. Another seed: another digest."""
    plain = Shop.open(demo, tmp_path / "plain")
    first = plain.audit(SMALL)
    other = plain.audit({**SMALL, "seed": 1})
    plain.close()
    troubled = Shop.open(demo, tmp_path / "troubled")
    audit_id = troubled.submit({**SMALL, "labels": {"team": "b"}, "force_new": True})
    while rung := troubled.messages():
        for message in reversed(rung):
            if message.attempt == 1:
                troubled.claim(message, lease=-1)
                troubled.claim(message, lease=-1)
            troubled.ring(message)
    again = troubled.report(audit_id)
    assert "unit.started" in troubled.history(audit_id)
    assert again.result_digest == first.result_digest
    assert other.result_digest != first.result_digest
    assert (again.audit_id, again.request["labels"]) != (first.audit_id, first.request["labels"])
    troubled.close()


def inline(seed: int) -> dict[str, str]:
    """A picture in a request."""
    return {"media_type": "image/png", "base64": base64.b64encode(tiny.picture_file(seed)).decode()}


def test_listed_images_are_audited_like_a_sets(shop: Shop) -> None:
    """The very files and captions of the set, listed by the asker under the same ids: the same scores."""
    listed = [
        {"id": id, "prompt": prompt, "images": [inline(n)]} for n, (id, prompt) in enumerate(tiny.TARGETS.items())
    ]
    probes = [{"kind": "prompt"}]
    theirs = shop.audit({"targets": listed, "probes": probes})
    ours = shop.audit({"target_set": "tiny:targets", "probes": probes})
    assert [(v.target_id, v.prompt) for v in theirs.verdicts] == [(v.target_id, v.prompt) for v in ours.verdicts]


def test_a_work_without_a_caption_is_searched_for(shop: Shop) -> None:
    """No prompt to ask with, a Gaussian start, and a name by its place."""
    report = shop.audit({"targets": [{"images": [inline(0)]}], "probes": [{"kind": "prompt"}, SEARCH]})
    [verdict] = report.verdicts
    assert (verdict.target_id, verdict.before.prompt) == ("target-1", None)
    assert verdict.before.adversarial["adversarial_embedding"].start == "gaussian"
    assert any(sentence.startswith("There are no controls") for sentence in report.limitations)


def test_a_mitigation_that_fails_takes_only_its_own_row(shop: Shop) -> None:
    """Wanda cannot look at works without captions: its cells are inconclusive, the untouched model's are not."""
    report = shop.audit(
        {
            "targets": [{"images": [inline(0)]}],
            "probes": [SEARCH],
            "mitigations": [{"kind": "none"}, {"kind": "wanda", "timesteps": 1}],
        }
    )
    none, pruned = report.verdicts
    assert none.verdict != "inconclusive" or not any("missing" in reason for reason in none.reasons)
    assert (pruned.verdict, pruned.reasons) == ("inconclusive", ["missing: wanda: METHOD_FAILED"])
    assert sum(row.counts["inconclusive"] for row in report.summary.mitigations if row.mitigation == "wanda") == 1


def test_an_audit_cancelled_before_its_plan_has_a_report(shop: Shop) -> None:
    """Nothing is known but what was asked."""
    audit_id = shop.submit(SMALL)
    shop.cancel(audit_id)
    shop.work()
    report = shop.report(audit_id)
    assert (report.state, report.verdicts, report.resolved) == ("cancelled", [], {"model": "tiny"})
    assert report.summary.outcome == "insufficient_evidence"


def test_an_audit_cancelled_after_its_plan_accounts_for_every_verdict(shop: Shop) -> None:
    """3 targets, one mitigation, nothing measured: 3 inconclusive, each with both reasons."""
    audit_id = shop.submit(SMALL)
    [plan] = shop.messages()
    shop.ring(plan)
    shop.cancel(audit_id)
    shop.work()
    report = shop.report(audit_id)
    assert [(v.target_id, v.verdict) for v in report.verdicts] == [(id, "inconclusive") for id in tiny.TARGETS]
    assert report.verdicts[0].reasons == ["missing: before: CANCELLED", "missing: wanda: CANCELLED"]


def test_an_overdue_audit_expires_with_a_report(shop: Shop) -> None:
    """Its deadline is over before it began."""
    audit_id = shop.submit(SMALL, deadline=-1)
    with shop.workshop.ledger.writing() as connection:
        assert audits.expire_overdue(connection) == 1
    shop.work()
    assert (shop.row(audit_id).state, shop.report(audit_id).state) == ("expired", "expired")


def test_a_request_is_read_back_as_it_was_asked(shop: Shop) -> None:
    """With digests in place of images, and without the note of which uploaded sets its targets came from."""
    asked = {"targets": [{"id": "fox", "prompt": "a fox", "images": [inline(0)]}], "seed": 7, "effort": "thorough"}
    row = shop.row(shop.submit(asked))
    assert set(row.request["targets"][0]["images"][0]) == {"media_type", "sha256"}
    again = request_of({**row.request, "sets": {"targets": {"id": "tset_1", "digest": "d" * 64, "count": 1}}})
    original = AuditRequest.model_validate({"model": "tiny", **asked})
    assert original.targets is not None
    assert again == original.model_copy(update={"targets": [original.targets[0].model_copy(update={"images": []})]})


def test_a_unit_does_what_the_engine_does(done: Done, demo: Path) -> None:
    """The edit that the mitigate unit kept is the one Wanda finds when asked directly."""
    [made] = done.shop.results(done.audit_id, "mitigate:wanda")
    assert made.result is not None
    kept = loads(done.shop.workshop.evidence.get(TENANT, made.result["edit"]))
    setting, targets = surroundings(done.shop, demo)
    direct = wanda.apply(setting, targets, WandaParams(timesteps=1, sparsity=0.1)).edit
    assert direct is not None
    assert list(kept.groups) == list(direct.groups)
    for name, masks in direct.groups.items():
        assert all(torch.equal(kept.groups[name][path], mask) for path, mask in masks.items())


def surroundings(shop: Shop, demo: Path) -> tuple[Any, list[Any]]:
    """What a unit of the finished audit was given."""
    from worker.engine.items import Item  # noqa: PLC0415
    from worker.engine.setting import EFFORTS, Sampler, Setting  # noqa: PLC0415

    model = shop.workshop.model("tiny")
    model.on_forward = None
    setting = Setting(model, shop.workshop.descriptor, Sampler(2, 3.0), EFFORTS["quick"], 0, tiny.NEUTRAL)
    items = [
        Item(id, "target", prompt, read((demo / "targets" / f"{id}.png").read_bytes(), tiny.SIDE))
        for id, prompt in tiny.TARGETS.items()
    ]
    return setting, items


def test_a_mitigation_at_the_input_is_probed_in_the_loop_and_bypassed(shop: Shop) -> None:
    """Kept as JSON; every target has both probes in the loop, and what the baseline saw as the bypassed ones."""
    noise = {"kind": "token_noise", "repeats": 2}
    audit_id = shop.submit({**SMALL, "mitigations": [noise]})
    shop.work()
    report = shop.report(audit_id)
    [made] = shop.results(audit_id, "mitigate:token_noise")
    assert made.result is not None
    assert shop.workshop.evidence.get(TENANT, made.result["edit"]).startswith(b'{"kind": "token_noise"')
    for verdict in report.verdicts:
        bypassed = {probe for probe in verdict.adversarial if probe.endswith(":bypassed")}
        assert bypassed == {"prompt:bypassed", "adversarial_embedding:bypassed"}
        assert verdict.adversarial["prompt:bypassed"] == verdict.before.prompt
        search = "adversarial_embedding"
        assert verdict.adversarial[f"{search}:bypassed"] == verdict.before.adversarial[search]
        assert verdict.adversarial[search].loss != verdict.before.adversarial[search].loss
        assert not any("missing" in reason for reason in verdict.reasons)
    [row] = report.summary.mitigations
    assert (row.scope, row.switched_off) == ("joint", None)
    assert row.drift is not None
    assert set(row.replication_rate.control) == {"prompt", search, "prompt:bypassed", f"{search}:bypassed"}
