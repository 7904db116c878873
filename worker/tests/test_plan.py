"""From request to units."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palimpsest.contract.methods import (
    AdversarialEmbeddingParams,
    ExternalParams,
    LocalityParams,
    NemoParams,
    NoMitigationParams,
    Params,
    ParaphraseParams,
    WandaParams,
)
from palimpsest.contract.request import AuditRequest
from worker.engine import audit
from worker.engine.folder import digest_of_files
from worker.engine.items import Item
from worker.engine.setting import EFFORTS, Setting
from worker.limitations import limitations
from worker.plan import Batch, ItemSpec, Plan, batches, draft, edits, expected_rows, located, share, specs, stages
from worker.tests import tiny
from worker.tests.shop import Shop


def named(role: Any, count: int) -> list[ItemSpec]:
    """So many items of a role."""
    return [ItemSpec(id=f"{role}-{n}", role=role, prompt="a fox", set_id="s", sha256=["a" * 64]) for n in range(count)]


def sizes(targets: int, controls: int, most: int = 16) -> list[tuple[int, int]]:
    """Targets and controls of every batch."""
    made = batches(named("target", targets), named("control", controls), most)
    return [(len(batch.targets), len(batch.controls)) for batch in made]


@pytest.mark.parametrize(
    ("targets", "controls", "made"),
    [
        (16, 0, [(16, 0)]),
        (17, 0, [(8, 0), (9, 0)]),
        (8, 8, [(8, 8)]),
        (9, 8, [(4, 4), (5, 4)]),
        (10, 40, [(2, 8)] * 5),
        (3, 1, [(3, 1)]),
        (0, 5, []),
    ],
)
def test_batches_by_hand(targets: int, controls: int, made: list[tuple[int, int]]) -> None:
    """16 to a unit, or 8 targets beside 8 controls; 40 controls need 5 units, and 10 targets fill them by twos."""
    assert sizes(targets, controls) == made


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(0, 60), st.integers(2, 20))
def test_everybody_is_in_one_batch(targets: int, controls: int, most: int) -> None:
    """In order, once, no batch without a target, and sizes differ by one at most."""
    these, those = named("target", targets), named("control", controls)
    made = batches(these, those, most)
    assert [spec for batch in made for spec in batch.targets] == these
    assert [spec for batch in made for spec in batch.controls] == those
    for counted in ([len(batch.targets) for batch in made], [len(batch.controls) for batch in made]):
        assert max(counted) - min(counted) <= 1
    assert all(1 <= len(batch.targets) <= (most // 2 if controls else most) for batch in made)


def test_a_share_is_a_slice() -> None:
    """Seven in three parts: 2, 2 and 3."""
    seven = named("target", 7)
    assert [len(share(seven, i, 3)) for i in range(3)] == [2, 2, 3]


def plan_of(count: int, mitigations: list[Params]) -> Plan:
    """A plan of so many batches."""
    return Plan(
        model_digest="d",
        family="sd1",
        batches=[Batch(targets=named("target", 1), controls=[])] * count,
        mitigations=[params.name for params in mitigations],
        untouched=[params.name for params in mitigations if isinstance(params, NoMitigationParams)],
        cut=[],
        resolved={},
    )


def test_the_graph_of_an_audit() -> None:
    """
    Two batches. Baseline and mitigations wait for nothing, probes for their own mitigation, the report for all.
    A per-target mitigation has a unit a batch, a joint one a single unit; leaving the model alone has none.
    """
    mitigations = [NoMitigationParams(), NemoParams(), WandaParams(id="w", scope="joint")]
    planned = stages(plan_of(2, mitigations), mitigations)
    assert [(stage.name, [unit.payload for unit in stage.units], stage.after) for stage in planned] == [
        ("baseline", [{"batch": 0}, {"batch": 1}], []),
        ("mitigate:nemo", [{"mitigation": "nemo", "batch": 0}, {"mitigation": "nemo", "batch": 1}], []),
        ("probe:nemo", [{"mitigation": "nemo", "batch": 0}, {"mitigation": "nemo", "batch": 1}], ["mitigate:nemo"]),
        ("mitigate:w", [{"mitigation": "w", "batch": None}], []),
        ("probe:w", [{"mitigation": "w", "batch": 0}, {"mitigation": "w", "batch": 1}], ["mitigate:w"]),
        ("report", [{}], ["baseline", "mitigate:nemo", "probe:nemo", "mitigate:w", "probe:w"]),
    ]
    assert [next(unit.kind for unit in stage.units) for stage in planned] == [
        "baseline", "mitigate", "probe", "mitigate", "probe", "report",
    ]  # fmt: skip
    assert [stage.name for stage in planned if any(unit.critical for unit in stage.units)] == ["report"]


def test_a_detector_is_calibrated_before_it_hears() -> None:
    """One unit calibrates, one a batch hears; nothing but the report waits for them."""
    planned = stages(plan_of(2, []).model_copy(update={"detectors": ["magnitude"]}), [])
    assert [
        (stage.name, [(unit.kind, unit.payload) for unit in stage.units], stage.after) for stage in planned[1:]
    ] == [
        ("calibrate:magnitude", [("calibrate", {"detector": "magnitude"})], []),
        (
            "detect:magnitude",
            [("detect", {"detector": "magnitude", "batch": b}) for b in range(2)],
            ["calibrate:magnitude"],
        ),
        ("report", [("report", {})], ["baseline", "calibrate:magnitude", "detect:magnitude"]),
    ]


def test_an_analysis_waits_for_every_edit() -> None:
    """Two batches: a unit a batch for a per-target mitigation, one for a joint one, none for none and external."""
    mitigations = [NoMitigationParams(), NemoParams(), WandaParams(id="w", scope="joint"), ExternalParams()]
    plan = plan_of(2, mitigations)
    plan.analyses, plan.analysed = ["utility"], edits(plan, mitigations)
    assert plan.analysed == [("nemo", 0), ("nemo", 1), ("w", None)]
    [stage] = [stage for stage in stages(plan, mitigations) if stage.name == "analyse:utility"]
    named = [{"analysis": "utility", "mitigation": mitigation, "batch": b} for mitigation, b in plan.analysed]
    assert [unit.payload for unit in stage.units] == named
    every = [f"{what}:{name}" for name in ("nemo", "w", "external") for what in ("mitigate", "probe")]
    assert stage.after == every


def test_what_stands_in_for_an_image_is_settled_before_anything_is_measured() -> None:
    """Of two batches the second has a target without an image: detectors, that batch's reference, then all else."""
    lacking = ItemSpec(id="kite", role="target", prompt="a kite", set_id=None, sha256=[])
    plan = plan_of(2, [WandaParams()]).model_copy(update={"detectors": ["sharpness"]})
    plan.batches[1] = Batch(targets=[*named("target", 1), lacking], controls=[])
    planned = stages(plan, [WandaParams()])
    assert [(stage.name, stage.after) for stage in planned] == [
        ("calibrate:sharpness", []),
        ("detect:sharpness", ["calibrate:sharpness"]),
        ("reference", ["detect:sharpness"]),
        ("baseline", ["reference"]),
        ("mitigate:wanda", ["reference"]),
        ("probe:wanda", ["mitigate:wanda"]),
        ("report", [stage.name for stage in planned[:-1]]),
    ]
    assert [unit.payload for unit in planned[2].units] == [{"batch": 1}]


def test_locality_searches_in_parts_and_compares_once() -> None:
    """The first five of six images: two kinds of start, four targets a unit, nothing but the searches before it."""
    params = LocalityParams(images=5)
    targets = [*named("target", 6), ItemSpec(id="bare", role="target", prompt="x", set_id=None, sha256=[])]
    plan = plan_of(1, [])
    plan.batches[0] = Batch(targets=targets, controls=[])
    plan.analyses, plan.located = ["locality"], {"locality": located(plan, params)}
    assert plan.located["locality"].targets == [f"target-{n}" for n in range(5)]
    searches, compared = [stage for stage in stages(plan, []) if stage.name.endswith(":locality")]
    assert [(unit.kind, unit.payload["start"], unit.payload["part"]) for unit in searches.units] == [
        ("search", start, part) for start in ("gaussian", "other_prompt") for part in (0, 1)
    ]
    assert [(unit.kind, unit.payload) for unit in compared.units] == [
        ("analyse", {"analysis": "locality", "mitigation": None, "batch": None})
    ]
    assert (searches.name, searches.after, compared.name, compared.after) == (
        "search:locality",
        [],
        "analyse:locality",
        ["search:locality"],
    )


def drafted(shop: Shop, request: dict[str, Any]) -> tuple[Plan, AuditRequest]:
    """The plan of a submitted request."""
    row = shop.row(shop.submit(request))
    asked = AuditRequest.model_validate({**row.request, "targets": None if row.request["target_set"] else []})
    return draft(shop.workshop, row, asked)[0], asked


SETS = {"target_set": "tiny:targets", "control_set": "tiny:controls"}


def test_items_of_a_set_are_named_by_it(shop: Shop) -> None:
    """In the set's order, with their captions."""
    registration = shop.workshop.registration("tiny")
    assert specs(registration, SETS, "target") == [
        ItemSpec(
            id=id,
            role="target",
            prompt=prompt,
            set_id="tiny:targets",
            sha256=[registration.row("tiny:targets", id).sha256],
        )
        for id, prompt in tiny.TARGETS.items()
    ]
    assert [spec.id for spec in specs(registration, SETS, "control")] == list(tiny.CONTROLS)
    assert specs(registration, {"target_set": "tiny:targets"}, "control") == []


def test_listed_items_are_named_by_their_image(shop: Shop) -> None:
    """An id of their own, or their place, from 1."""
    stored = {
        "targets": [
            {"id": None, "prompt": "a fox", "images": [{"media_type": "image/png", "sha256": "a" * 64}]},
            {
                "id": "kite",
                "prompt": None,
                "images": [{"media_type": "image/png", "sha256": digest * 64} for digest in "bc"],
            },
        ],
        "controls": None,
    }
    said = specs(shop.workshop.registration("tiny"), stored, "target")
    assert [(spec.id, spec.prompt, spec.set_id, spec.sha256) for spec in said] == [
        ("target-1", "a fox", None, ["a" * 64]),
        ("kite", None, None, ["b" * 64, "c" * 64]),
    ]
    assert specs(shop.workshop.registration("tiny"), stored, "control") == []


def test_a_plan_says_what_every_default_came_to(shop: Shop) -> None:
    """Restarts by the effort, ids by the kind, the sampler by the registration, the bounds by the engine."""
    plan, _ = drafted(shop, {**SETS, "mitigations": [{"kind": "wanda", "id": "w"}], "effort": "standard"})
    said = plan.resolved
    assert (plan.family, plan.mitigations, plan.untouched) == ("sd1", ["w"], [])
    assert plan.model_digest == shop.workshop.model("tiny").digest == digest_of_files(plan.files)
    [model] = plan.models("tiny")
    assert model.files == plan.files
    assert "unet/diffusion_pytorch_model.safetensors" in model.files
    assert (said["mitigations"][0]["id"], said["mitigations"][0]["sparsity"]) == ("w", 0.01)
    assert [probe["id"] for probe in said["probes"]] == ["prompt", "adversarial_embedding"]
    assert said["probes"][1]["restarts"] == 2
    assert said["effort"] == {
        "name": "standard",
        "evaluation_images": 8,
        "hits_to_replicate": 4,
        "looks": [1, 10, 25],
        "look_images": 2,
        "items_per_unit": 16,
        "neutral_images": 64,
    }
    assert said["sampler"] == {"kind": "ddim", "steps": 2, "guidance": 3.0, "eta": 0.0}
    assert said["bounds"] == {"drift": 0.5, "controls": 0.02, "threshold": 0.5}


def test_without_a_mitigation_the_model_is_judged_as_it_is(shop: Shop) -> None:
    """``none`` stands in, and is the only row."""
    plan, _ = drafted(shop, SETS)
    assert (plan.mitigations, plan.untouched) == (["none"], ["none"])
    assert plan.resolved["mitigations"] == [{"id": "none", "kind": "none"}]


def test_a_plan_survives_the_ledger(shop: Shop) -> None:
    """Written as JSON and read again it is the same plan."""
    plan, _ = drafted(shop, SETS)
    assert Plan.model_validate(plan.model_dump(mode="json")) == plan


def test_prompts_that_are_cut_are_named(shop: Shop) -> None:
    """20 tokens hold 18 words of one token; the report's limitations say which prompt was longer."""
    image = {"media_type": "image/png", "base64": "aGVsbG8="}
    long = {"id": "long", "prompt": " ".join(["fox"] * 19), "images": [image]}
    row = shop.row(shop.submit({"targets": [long, {"id": "short", "prompt": "fox", "images": [image]}]}))
    asked = AuditRequest.model_validate({"model": "tiny", "target_set": "tiny:targets"})
    plan, _ = draft(shop.workshop, row, asked)
    assert plan.cut == ["long"]
    assert "long: the prompt is longer than the tokenizer takes and was truncated." in limitations(asked, plan)


def test_limitations_name_the_budget_and_what_is_missing() -> None:
    """Standard effort: 8 images, 4 hits; the published search from 2 starts; no controls."""
    said = limitations(AuditRequest(model="m", target_set="s"), plan_of(1, []))
    assert "8 evaluation images an item, 4 of them" in said[0]
    assert "50 steps from 2 start(s) of kind prompt" in said[1]
    assert said[2].startswith("There are no controls")
    assert len(said) == 3


def test_the_work_ahead_is_the_work_that_is_done(setting: Setting, targets: list[Item], controls: list[Item]) -> None:
    """Without early stops the rows expected of a batch are the rows that pass through the denoiser."""
    probes: list[Params] = [
        AdversarialEmbeddingParams(steps=2, batch_size=3, starts=["prompt"], early_stop=False),
        AdversarialEmbeddingParams(id="more", steps=1, batch_size=1, starts=["gaussian"], early_stop=False),
        ParaphraseParams(rounds=2, queries=2, early_stop=False),
    ]
    batch = Batch(targets=named("target", 3), controls=named("control", 3))
    seen: list[int] = []
    setting.model.on_forward = seen.append
    three = [*controls, replace(controls[0], id="drum")]
    audit.measure(setting, targets, three, probes, lambda name, content, media: name)
    assert sum(seen) == expected_rows(setting, batch, probes)


@pytest.mark.parametrize("effort", EFFORTS)
def test_half_a_unit_of_targets_leaves_room_for_controls(effort: str) -> None:
    """An even number, two at least."""
    assert EFFORTS[effort].items_per_unit % 2 == 0
    assert EFFORTS[effort].items_per_unit >= 2
