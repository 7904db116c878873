"""External: nothing is applied, the distance between the two models is measured."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from palimpsest.contract.methods import ExternalParams
from worker.engine import audit
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


def test_a_model_has_not_drifted_from_itself(setting: Setting) -> None:
    """The same pictures from the same noise: similarity 1 on every neutral prompt."""
    found = external.drift(setting, setting.model)
    assert list(found) == [JOINT]
    assert len(found[JOINT]) == setting.effort.neutral_images
    assert found[JOINT] == pytest.approx([0.0] * 4, abs=1e-4)


def test_its_drift_is_that_of_the_edit_that_made_it(setting: Setting, silenced: Edit, demo: Path) -> None:
    """A model mitigated elsewhere by an edit drifts as far as one the audit itself edits."""
    baseline = DiffusionModel.load(demo / "model")
    with setting.model.edited(silenced):
        found = external.drift(setting, baseline)
    assert found[JOINT] == pytest.approx(audit.drift(setting, silenced)[JOINT], abs=1e-4)
    assert max(found[JOINT]) > 1e-4


def test_models_of_another_kind_are_not_compared(setting: Setting) -> None:
    """From the same noise they would not draw the same kind of picture; the reason is given."""
    other = replace(setting.model, latent_shape=(4, 16, 16))
    with pytest.raises(MethodFailed, match=r"latents \(4, 8, 8\) and \(4, 16, 16\)"):
        external.drift(setting, other)
