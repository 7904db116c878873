"""External: nothing is applied, the distance between the two models is measured."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from palimpsest.contract.methods import AdversarialEmbeddingParams, ExternalParams, PromptParams
from palimpsest.contract.report import StageCost
from worker.engine import audit, export
from worker.engine.edits import JOINT, Edit
from worker.engine.errors import MethodFailed
from worker.engine.items import Item
from worker.engine.mitigations import external
from worker.engine.model import DiffusionModel
from worker.engine.setting import Setting


@pytest.fixture
def silenced() -> Edit:
    """All value neurons of the middle block off."""
    path = "mid_block.attentions.0.transformer_blocks.0.attn2.to_v"
    return Edit("neurons", {JOINT: {path: torch.ones(16, dtype=torch.bool)}}, 16)


def test_nothing_is_applied(setting: Setting, targets: list[Item]) -> None:
    """No edit, one model for all, no cost, and the report is told."""
    with audit.counted(setting) as cost:
        mitigated = external.apply(setting, targets, ExternalParams(id="theirs"))
    assert mitigated.edit is None
    assert mitigated.scope == "joint"
    assert mitigated.notes == ["theirs: mitigated elsewhere; nothing was applied to the model under audit"]
    assert cost().unet_sample_forwards == 0


@pytest.fixture
def mended(setting: Setting, silenced: Edit, tmp_path: Path) -> Setting:
    """The surroundings on a copy of the model that was saved with the edit in its weights."""
    export.checkpoint(setting.model, silenced, tmp_path / "mended")
    return replace(setting, model=DiffusionModel.load(tmp_path / "mended"))


def test_a_model_has_not_drifted_from_itself(setting: Setting) -> None:
    """The same pictures from the same noise: similarity 1 on every neutral prompt."""
    record = audit.elsewhere(lambda: setting, lambda: setting, ExternalParams())
    assert record.drift[JOINT] == pytest.approx([0.0] * 4, abs=1e-4)
    assert (record.mitigation, record.scope, record.what, record.off) == ("external", "joint", "elsewhere", {})


def test_it_is_the_edit_that_made_the_model(
    setting: Setting, mended: Setting, silenced: Edit, targets: list[Item], controls: list[Item]
) -> None:
    """On the model that carries an edit, every answer and the drift are those under the same edit of its baseline."""
    probes = [PromptParams(), AdversarialEmbeddingParams(steps=2, batch_size=2)]
    kept: list[str] = []

    def keep(name: str, content: bytes, media_type: str) -> str:
        kept.append(name)
        return name if media_type == "application/vnd.safetensors" else str(hash(content))

    theirs = audit.measure(mended, targets, controls, list(probes), keep, "external")
    ours = audit.measure(setting, targets, controls, list(probes), keep, "external", silenced)
    before = audit.measure(setting, targets, controls, list(probes), keep)
    assert theirs.items == ours.items
    assert theirs.items != before.items
    assert len(kept) == 3 * 5 * 3
    record = audit.elsewhere(lambda: setting, lambda: mended, ExternalParams())
    assert record.drift == audit.drift(setting, silenced)
    assert max(record.drift[JOINT]) > 1e-4


def test_both_models_drawing_is_counted(setting: Setting, mended: Setting) -> None:
    """4 neutral prompts × 2 steps × 2 halves, on either model."""
    cost = audit.elsewhere(lambda: setting, lambda: mended, ExternalParams()).cost
    assert cost == StageCost(unet_sample_forwards=32, unet_sample_forwards_with_gradient=0, seconds=cost.seconds)


def test_models_of_another_kind_are_not_compared(setting: Setting) -> None:
    """From the same noise they would not draw the same kind of picture; the reason is given."""
    before = external.draw(setting)
    other = replace(before, kind={**before.kind, "latents": "(4, 16, 16)"})
    with pytest.raises(MethodFailed, match=r"latents \(4, 16, 16\) and \(4, 8, 8\)"):
        external.drift(before, other)
