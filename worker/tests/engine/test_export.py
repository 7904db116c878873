"""An exported model is the one that was audited."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, load_file
from torch import Tensor

from palimpsest.contract.methods import SissParams, WandaParams
from worker.engine import audit, catalogue, export
from worker.engine.edits import JOINT, Edit, as_delta
from worker.engine.errors import MethodFailed
from worker.engine.items import Item
from worker.engine.mitigations import siss, wanda
from worker.engine.model import DiffusionModel
from worker.engine.setting import Setting


@pytest.fixture
def trained(setting: Setting, targets: list[Item]) -> Edit:
    """Two steps that every weight feels."""
    edit = siss.apply(setting, targets, SissParams(steps=2, batch_size=2, stand_ins=1, learning_rate=1e-3)).edit
    assert isinstance(edit, Edit)
    return edit


@pytest.fixture
def pruned(setting: Setting, targets: list[Item]) -> Edit:
    """One mask for all."""
    edit = wanda.apply(setting, targets, WandaParams(scope="joint", sparsity=0.2, timesteps=1)).edit
    assert isinstance(edit, Edit)
    return edit


def eps(model: DiffusionModel) -> Tensor:
    """What a model predicts for three fixed rows."""
    g = torch.Generator().manual_seed(5)
    x_t, y = torch.randn(3, 4, 8, 8, generator=g), torch.randn(3, 20, 16, generator=g)
    return model.eps(x_t, torch.tensor([1, 500, 999]), y)


def test_an_exported_delta_loads_and_predicts_the_same_bit_by_bit(
    setting: Setting, trained: Edit, tmp_path: Path
) -> None:
    """A folder any Stable Diffusion loader takes; text encoder and autoencoder are the audited model's."""
    export.checkpoint(setting.model, trained, tmp_path / "out")
    again = DiffusionModel.load(tmp_path / "out")
    with setting.model.edited(trained):
        assert torch.equal(eps(again), eps(setting.model))
    assert not torch.equal(eps(again), eps(setting.model))
    assert torch.equal(again.encode_prompts(["a paper kite"]), setting.model.encode_prompts(["a paper kite"]))
    x_0 = torch.randn(1, 4, 8, 8)
    assert torch.equal(again.decode(x_0), setting.model.decode(x_0))
    assert (again.latent_shape, again.family) == (setting.model.latent_shape, setting.model.family)


def test_the_audit_of_an_export_finds_the_audits_numbers(
    setting: Setting, targets: list[Item], trained: Edit, tmp_path: Path
) -> None:
    """Pictures drawn by the exported model are those the audit judged, pixel by pixel."""
    export.checkpoint(setting.model, trained, tmp_path / "out")
    again = DiffusionModel.load(tmp_path / "out")
    trials = audit.pair(targets, [], trained)
    y = setting.model.encode_prompts([target.prompt or "" for target in targets])
    with setting.model.edited(trained):
        judged = setting.draw(trials, y, images=2, purpose=("evaluate",))
    exported = Setting(again, setting.descriptor, setting.sampler, setting.effort, setting.seed, setting.neutral)
    assert torch.equal(exported.draw(trials, y, images=2, purpose=("evaluate",)), judged)


def test_exported_masks_are_zeros(setting: Setting, pruned: Edit, tmp_path: Path) -> None:
    """Where a mask is on the file has 0, elsewhere what it had; the predictions agree."""
    export.checkpoint(setting.model, pruned, tmp_path / "out")
    stored = load_file(tmp_path / "out" / "unet" / "diffusion_pytorch_model.safetensors")
    off = {f"{path}.weight": mask for path, mask in pruned.groups["all"].items()}
    for name, W in setting.model.unet.state_dict().items():
        assert torch.equal(stored[name], W * ~off[name] if name in off else W)
    with setting.model.edited(pruned):
        assert torch.allclose(eps(DiffusionModel.load(tmp_path / "out")), eps(setting.model), atol=1e-6)


def test_the_model_is_as_it_was_after_an_export(setting: Setting, trained: Edit, tmp_path: Path) -> None:
    """Bit by bit."""
    before = {name: W.clone() for name, W in setting.model.unet.state_dict().items()}
    export.checkpoint(setting.model, trained, tmp_path / "out")
    assert all(torch.equal(W, before[name]) for name, W in setting.model.unet.state_dict().items())


def test_an_export_does_not_tell_where_the_model_was(setting: Setting, trained: Edit, tmp_path: Path) -> None:
    """No file of it names the folder it was loaded from, and two exports are equal byte by byte."""
    for name in ("one", "two"):
        export.checkpoint(setting.model, trained, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(tmp_path / "two") for p in (tmp_path / "two").rglob("*") if p.is_file())
    for file in files:
        content = (tmp_path / "one" / file).read_bytes()
        assert content == (tmp_path / "two" / file).read_bytes()
        if file.suffix == ".json":
            assert b"_name_or_path" not in content


def test_a_delta_can_be_added_by_anybody(setting: Setting, trained: Edit, tmp_path: Path) -> None:
    """Parameter names and W + Δ are enough; the metadata names the model it belongs to."""
    content = export.delta(setting.model, trained)
    (tmp_path / "delta.safetensors").write_bytes(content)
    with safe_open(tmp_path / "delta.safetensors", "pt") as file:
        said = json.loads(file.metadata()["palimpsest"])
    assert said == {
        "what": "delta",
        "of": "unet",
        "apply": "W + delta in float32",
        "baseline": setting.model.digest,
    }
    unedited = setting.model.unet.state_dict()
    added = {name: unedited[name] + D for name, D in load(content).items()}
    with setting.model.edited(trained):
        edited = setting.model.unet.state_dict()
        assert all(torch.equal(edited[name], W) for name, W in added.items())
    assert export.delta(setting.model, trained) == content


def test_a_delta_is_read_back(setting: Setting, trained: Edit, pruned: Edit) -> None:
    """Trained or pruned: the very Δ, and the model's digest; the probes read the same from it."""
    for edit in (trained, pruned):
        content = export.delta(setting.model, edit)
        again, baseline = export.read(content)
        assert baseline == setting.model.digest
        expected = as_delta(setting.model.unet, edit)
        assert (again.what, again.size, again.joint) == ("delta", expected.size, True)
        assert set(again.groups[JOINT]) == set(expected.groups[JOINT])
        assert all(torch.equal(again.groups[JOINT][name], D) for name, D in expected.groups[JOINT].items())
        read = catalogue.loads(content)
        assert isinstance(read, Edit)
        assert read.dumps() == again.dumps()


def test_what_is_no_delta_is_refused(setting: Setting, trained: Edit) -> None:
    """Nothing, a picture, another safetensors file, and a delta that is cut short."""
    whole = export.delta(setting.model, trained)
    for content in (b"", b"\x89PNG\r\n\x1a\n" + bytes(100), trained.dumps(), whole[:4], whole[:-4]):
        with pytest.raises(MethodFailed, match=r"not a delta|cut short"):
            export.read(content)


def test_a_model_per_target_is_not_exported(setting: Setting, tmp_path: Path) -> None:
    """There would be as many models as targets."""
    edit = Edit("neurons", {"fox": {}, "kite": {}}, 40)
    with pytest.raises(MethodFailed, match="only a joint mitigation"):
        export.checkpoint(setting.model, edit, tmp_path / "out")
    assert not (tmp_path / "out").exists()
