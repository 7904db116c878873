"""A model mitigated elsewhere, audited beside the one it came from, unit by unit."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from palimpsest.contract.report import AuditReport, MitigationSummary, Verdict
from worker.engine import export, recovery
from worker.engine.catalogue import loads
from worker.engine.edits import Edit
from worker.engine.recovery import Recovery
from worker.tests import tiny
from worker.tests.shop import TENANT, Shop

SEARCH = "adversarial_embedding"
WANDA = {"kind": "wanda", "id": "ours", "timesteps": 1, "sparsity": 0.1, "scope": "joint"}
SETS = {"target_set": "tiny:targets", "control_set": "tiny:controls"}
ALONE: dict[str, Any] = {
    **SETS,
    "mitigations": [{"kind": "none"}, WANDA],
    "probes": [{"kind": "prompt"}, {"kind": SEARCH, "steps": 2, "batch_size": 1}],
}
BESIDE: dict[str, Any] = {
    **ALONE,
    "model": "mended",
    "baseline_model": "tiny",
    "mitigations": [*ALONE["mitigations"], {"kind": "external", "id": "theirs"}],
}


@dataclass(frozen=True)
class Done:
    """A shop that offers both models, the audit of the baseline alone, and that of the other beside it."""

    shop: Shop
    alone: AuditReport
    beside: AuditReport

    def verdicts(self, mitigation: str) -> list[Verdict]:
        """Of the audit beside the baseline."""
        return [verdict for verdict in self.beside.verdicts if verdict.mitigation == mitigation]

    def summary(self, mitigation: str) -> MitigationSummary:
        """Of the audit beside the baseline."""
        return next(row for row in self.beside.summary.mitigations if row.mitigation == mitigation)


@pytest.fixture(scope="module")
def done(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """Wanda's joint edit of the tiny model is found in one audit, saved as a model, and audited in another."""
    home = tmp_path_factory.mktemp("beside")
    first = Shop.open(demo, home / "first")
    audit_id = first.submit(ALONE)
    first.work()
    alone = first.report(audit_id)
    [made] = first.results(audit_id, "mitigate:ours")
    assert made.result is not None
    edit = loads(first.workshop.evidence.get(TENANT, made.result["edit"]))
    assert isinstance(edit, Edit)
    export.checkpoint(first.workshop.model("tiny"), edit, home / "mended" / "model")
    first.close()
    registrations = [demo / "registration.json", register(home / "mended", "mended", sampler_steps=1)]
    shop = Shop.open(demo, home / "second", registrations=registrations)
    yield Done(shop, alone, shop.audit(BESIDE))
    shop.close()


def register(folder: Path, id: str, *, sampler_steps: int) -> Path:
    """A registration beside the model, without target sets, with a sampler of its own."""
    (folder / "neutral.txt").write_text("nothing of the kind\n")
    sampler = {"steps": sampler_steps, "guidance": 3.0}
    stated = {"id": id, "title": id, "folder": "model", "sampler": sampler, "target_sets": []}
    (folder / "registration.json").write_text(json.dumps(stated))
    return folder / "registration.json"


def test_the_very_scores_of_the_same_edit_applied_to_the_baseline(done: Done) -> None:
    """Every verdict with its scores, losses and pictures, the drift, and the control rates."""
    assert len(done.verdicts("theirs")) == len(tiny.TARGETS)
    theirs = [unnamed(verdict) for verdict in done.verdicts("theirs")]
    assert theirs == [unnamed(verdict) for verdict in done.verdicts("ours")]
    assert not any("missing" in reason for verdict in theirs for reason in verdict.reasons)
    assert theirs[0].adversarial[SEARCH] != theirs[0].before.adversarial[SEARCH]
    one, other = done.summary("theirs"), done.summary("ours")
    assert one.drift == other.drift
    assert one.drift is not None
    assert one.drift.value > 0
    assert (one.counts, one.replication_rate) == (other.counts, other.replication_rate)
    assert (one.scope, one.switched_off) == ("joint", None)


def unnamed(verdict: Verdict) -> Verdict:
    """The same without what names the mitigation: itself, and the file of the embedding, which says what it was of."""
    answers = {probe: a.model_copy(update={"embedding": None}) for probe, a in verdict.adversarial.items()}
    return verdict.model_copy(update={"mitigation": "", "adversarial": answers})


def test_the_very_embeddings_and_each_says_where_it_was_found(done: Done) -> None:
    """One tensor twice: on the other model as it is, and on the baseline under the edit."""
    for theirs, ours in zip(done.verdicts("theirs"), done.verdicts("ours"), strict=True):
        y_theirs, on_theirs = kept(done, theirs.adversarial[SEARCH].embedding)
        y_ours, on_ours = kept(done, ours.adversarial[SEARCH].embedding)
        assert torch.equal(y_theirs, y_ours)
        assert [on_theirs.model, on_ours.model] == [model.digest for model in done.beside.models]
        assert on_theirs.edit is None
        assert on_ours.edit
        assert on_theirs == on_ours.model_copy(update={"model": on_theirs.model, "edit": None})


def kept(done: Done, digest: str | None) -> tuple[torch.Tensor, Recovery]:
    """An embedding from the evidence."""
    assert digest is not None
    return recovery.loads(done.shop.workshop.evidence.get(TENANT, digest))


def test_before_is_the_baselines_and_others_are_applied_to_it(done: Done) -> None:
    """What the audit of the baseline alone said stands in the audit beside it, with the baseline's own sampler."""
    assert [verdict for verdict in done.beside.verdicts if verdict.mitigation != "theirs"] == done.alone.verdicts
    assert done.beside.resolved["sampler"] == done.alone.resolved["sampler"]
    assert any(said.startswith("Before means on tiny, which mended was made") for said in done.beside.limitations)


def test_both_models_are_told_by_digest(done: Done) -> None:
    """The audited one first; they differ."""
    audited, baseline = done.beside.models
    assert [(m.id, m.role) for m in (audited, baseline)] == [("mended", "audited"), ("tiny", "baseline")]
    assert baseline == done.alone.models[0].model_copy(update={"role": "baseline"})
    assert audited.digest == done.shop.workshop.model("mended").digest != baseline.digest
    stages = done.beside.cost.stages
    assert stages["probe:theirs"].unet_sample_forwards == stages["probe:ours"].unet_sample_forwards


@pytest.mark.parametrize(("moved", "place"), [("tiny", "mended"), ("mended", "tiny")])
def test_a_model_that_changed_since_the_plan_is_not_measured(done: Done, moved: str, place: str) -> None:
    """Both are pinned: where one's folder holds another model now, the stages that work on it say so."""
    audit_id = done.shop.submit({**BESIDE, "seed": 1, "probes": [{"kind": "prompt"}]})
    [planning] = done.shop.messages()
    done.shop.ring(planning)
    workshop = done.shop.workshop
    offered = dict(workshop.registrations)
    workshop.registrations[moved] = replace(offered[moved], folder=offered[place].folder)
    workshop.models.clear()
    try:
        done.shop.work()
    finally:
        workshop.registrations.update(offered)
    lost = {stage for stage, units in done.shop.states(audit_id).items() if ("failed", "MODEL_CHANGED") in units}
    assert lost == ({"baseline", "mitigate:ours", "mitigate:theirs"} if moved == "tiny" else {"mitigate:theirs"})
    said = {reason for v in done.shop.report(audit_id).verdicts if v.mitigation == "theirs" for reason in v.reasons}
    assert "missing: theirs: MODEL_CHANGED" in said
    assert ("missing: before: MODEL_CHANGED" in said) is (moved == "tiny")


def test_without_a_baseline_nothing_is_compared(done: Done) -> None:
    """Whoever is not asked by the gateway finds out in the unit."""
    asked = {**SETS, "probes": [{"kind": "prompt"}], "mitigations": [{"kind": "external"}]}
    audit_id = done.shop.submit(asked)
    done.shop.work()
    assert done.shop.states(audit_id)["mitigate:external"] == [("failed", "METHOD_FAILED")]
    assert {verdict.verdict for verdict in done.shop.report(audit_id).verdicts} == {"inconclusive"}
