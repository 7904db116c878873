"""Targets that are judged in a region, from submission to report, on the tiny model."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from palimpsest.contract.report import AuditReport, LocalJudge, Rectangle, Scope
from worker.engine.images import decode, read
from worker.engine.partial_copies import similarity
from worker.engine.recovery import loads
from worker.engine.regions import Box
from worker.replay import replay
from worker.tests import tiny
from worker.tests.shop import TENANT, Shop

SEARCH = {"kind": "adversarial_embedding", "steps": 1, "batch_size": 1}
LEFT = {"x": 0.0, "y": 0.0, "width": 0.5, "height": 1.0}
SQUARE = {"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5}


def target(id: str, seed: int, region: dict[str, float] | None = None) -> dict[str, Any]:
    """One with an image of its own."""
    content = base64.b64encode(tiny.picture_file(seed)).decode()
    image = {"media_type": "image/png", "base64": content}
    return {"id": id, "prompt": tiny.TARGETS["fox"], "images": [image], "region": region}


REQUEST: dict[str, Any] = {
    "targets": [target("logo", 1, SQUARE), target("print", 2), target("label", 3, LEFT), target("crest", 4, SQUARE)],
    "control_set": "tiny:controls",
    "mitigations": [
        {"kind": "wanda", "timesteps": 1, "sparsity": 0.1},
        {"kind": "wanda", "id": "joint", "timesteps": 1, "sparsity": 0.1, "scope": "joint"},
    ],
    "probes": [{"kind": "prompt"}, SEARCH],
    "detectors": [{"kind": "magnitude", "false_positive_rate": 0.2, "neutral_prompts": 5, "images": 1}],
}


@dataclass(frozen=True)
class Done:
    """A finished audit and the shop it was done in."""

    shop: Shop
    audit_id: str
    report: AuditReport


@pytest.fixture(scope="module")
def done(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """Four targets, one of them whole, two in one region; two controls."""
    shop = Shop.open(demo, tmp_path_factory.mktemp("done"))
    shop.workshop.descriptor = replace(shop.workshop.descriptor, threshold=-1.0)
    audit_id = shop.submit(REQUEST)
    shop.work()
    yield Done(shop, audit_id, shop.report(audit_id))
    shop.close()


def test_every_verdict_says_its_scope(done: Done) -> None:
    """The region as it was given, or the whole image."""
    scopes = {(verdict.target_id, verdict.mitigation): verdict.scope for verdict in done.report.verdicts}
    regions = {"logo": SQUARE, "print": None, "label": LEFT, "crest": SQUARE}
    assert scopes == {
        (id, mitigation): Scope(kind="region" if at else "whole", region=Rectangle(**at) if at else None)
        for id, at in regions.items()
        for mitigation in ("wanda", "joint")
    }
    assert not any("missing" in reason for verdict in done.report.verdicts for reason in verdict.reasons)
    assert any("3 target(s) are judged in a region" in said for said in done.report.limitations)


def test_every_control_is_judged_in_each_region_at_the_same_number_of_looks(done: Done) -> None:
    """Two regions: 2 targets + 2 controls in the one, 1 + 2 in the other; a control's threshold is of its own image."""
    judged = sorted((judge.role, judge.item_id, judge.region.width) for judge in done.report.regions)
    assert judged == [
        *[("control", id, 0.5) for id in ("boat", "boat", "lamp", "lamp")],
        *[("target", id, 0.5) for id in ("crest", "label", "logo")],
    ]
    by_region: dict[tuple[float, ...], list[LocalJudge]] = {}
    for judge in done.report.regions:
        by_region.setdefault(tuple(judge.pixels), []).append(judge)
    assert {pixels: len(judges) for pixels, judges in by_region.items()} == {(8, 8, 24, 24): 4, (0, 0, 16, 32): 3}
    assert all(len({judge.looks for judge in judges}) == 1 for judges in by_region.values())
    assert {judge.negatives for judge in done.report.regions} == {len(tiny.NEUTRAL)}


def test_a_target_is_held_against_controls_of_its_own_region(done: Done) -> None:
    """Two beside each, on a joint mitigation's model as on a target's own; the audit has two."""
    powerless = {(j.item_id, j.region.x) for j in done.report.regions if j.role == "control" and not j.has_power}
    for verdict in done.report.verdicts:
        here = None if verdict.scope.region is None else verdict.scope.region.x
        blind = sum(at == here for _, at in powerless)
        assert {evidence.rate.n for evidence in verdict.controls.values()} == {2 - blind}
    assert done.report.summary.controls == 2


def test_hits_are_counted_at_the_regions_threshold(done: Done) -> None:
    """The largest similarity over the looks, and none of them below the descriptor's own threshold."""
    thresholds = {judge.item_id: judge.threshold for judge in done.report.regions if judge.role == "target"}
    for verdict in done.report.verdicts:
        threshold = thresholds.get(verdict.target_id, -1.0)
        for answer in [verdict.prompt, *verdict.adversarial.values()]:
            assert answer is not None
            assert answer.hits == sum(score > threshold for score in answer.scores)


def test_a_pictures_score_is_the_largest_over_the_looks(done: Done) -> None:
    """The kept strip of evaluation pictures, compared again: equal up to what eight bits round off."""
    [verdict] = [v for v in done.report.verdicts if (v.target_id, v.mitigation) == ("logo", "wanda")]
    assert verdict.prompt is not None
    strip = read_strip(done, verdict.prompt.images[0])
    reference = read(tiny.picture_file(1), tiny.SIDE)
    again = similarity(done.shop.workshop.descriptor, strip, reference, Box(8, 8, 24, 24))
    assert again.tolist() == pytest.approx(verdict.prompt.scores, abs=0.02)


def read_strip(done: Done, digest: str) -> torch.Tensor:
    """Four pictures side by side, 4×3×32×32."""
    return torch.stack(list(decode(done.shop.workshop.evidence.get(TENANT, digest)).split(tiny.SIDE, dim=2)))


def test_a_recovery_says_where_it_was_looked_for(done: Done) -> None:
    """Its region and the region's threshold, so that a replay compares the same; nothing for a whole image."""
    for verdict in done.report.verdicts:
        digest = verdict.adversarial["adversarial_embedding"].embedding
        assert digest is not None
        _, said = loads(done.shop.workshop.evidence.get(TENANT, digest))
        here = verdict.scope.region
        assert (said.region and said.region.model_dump()) == (here and here.model_dump())


def test_a_recovery_in_a_region_is_replayed_in_it(done: Done, demo: Path) -> None:
    """One generation on the unmitigated model has the recorded similarity, the region's and not the image's."""
    [verdict] = [v for v in done.report.verdicts if (v.target_id, v.mitigation) == ("logo", "wanda")]
    digest = verdict.before.adversarial["adversarial_embedding"].embedding
    assert digest is not None
    again = replay(
        model=demo / "model",
        embedding=done.shop.workshop.evidence.get(TENANT, digest),
        edit=None,
        references=[tiny.picture_file(1)],
        descriptor=demo / "descriptor" / "card.json",
    )
    assert again.same
    assert "in its region" in again.lines()[0]


def test_the_negatives_are_drawn_once_a_region_and_counted(done: Done) -> None:
    """6 pictures × 2 steps × 2 halves of guidance × 2 regions."""
    assert done.report.cost.stages["regions"].unet_sample_forwards == 6 * 2 * 2 * 2
    assert done.report.resolved["regions"] == {
        "scales": [1.0, 0.8, 1.25],
        "shifts": [0.0, -0.25, 0.25],
        "negatives": 99,
        "search_loss": "masked",
    }


def test_a_detector_hears_a_control_once(done: Done) -> None:
    """However many regions it is judged in."""
    heard = [(line.role, line.item_id) for line in done.report.detections]
    assert len(heard) == len(set(heard)) == 4 + 2


def test_an_audit_of_whole_images_has_no_such_stage(shop: Shop) -> None:
    """Nothing is drawn for it, and the report has no regions."""
    report = shop.audit(
        {"targets": [target("print", 2)], "control_set": "tiny:controls", "probes": [{"kind": "prompt"}]}
    )
    assert report.regions == []
    assert "regions" not in report.cost.stages
    assert "regions" not in report.resolved
    assert {verdict.scope.kind for verdict in report.verdicts} == {"whole"}


def test_what_was_not_fixed_is_not_judged(shop: Shop) -> None:
    """A region's unit that came to nothing takes its targets with it, and they are inconclusive with the reason."""
    bad = {"x": 0.0, "y": 0.0, "width": 0.01, "height": 0.01}  # admission would have refused it
    report = shop.audit({"targets": [target("logo", 1, bad), target("print", 2)], "probes": [{"kind": "prompt"}]})
    words = {verdict.target_id: verdict for verdict in report.verdicts}
    assert words["logo"].verdict == "inconclusive"
    assert words["logo"].reasons == ["missing: before: METHOD_FAILED"]
    assert words["print"].before.prompt is not None
