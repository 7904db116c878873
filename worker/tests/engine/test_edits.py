"""Weights that are off, and on again."""

import copy

import pytest
import torch
from torch import Tensor, nn

from worker.engine.edits import JOINT, Edit, Masks, Rows, applied, as_delta, loads
from worker.engine.model import DiffusionModel
from worker.tests import tiny

Y_SHAPE = (20, 16)


def neurons(seed: int, share: float = 0.4) -> Masks:
    """Random neurons of every value layer."""
    g = torch.Generator().manual_seed(seed)
    return {path: torch.rand(width, generator=g) < share for path, width in tiny.VALUE_LAYERS.items()}


def weights(seed: int, share: float = 0.4) -> Masks:
    """Random weights of every feed-forward layer."""
    g = torch.Generator().manual_seed(seed)
    return {path: torch.rand(shape, generator=g) < share for path, shape in tiny.FEEDFORWARD_LAYERS.items()}


def inputs(rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """x_t, t and y of a batch."""
    g = torch.Generator().manual_seed(3)
    return torch.randn(rows, 4, 8, 8, generator=g), torch.full((rows,), 500), torch.randn(rows, *Y_SHAPE, generator=g)


def zeroed(model: DiffusionModel, masks: Masks) -> nn.Module:
    """A copy of the U-Net whose masked weights are 0."""
    unet = copy.deepcopy(model.unet)
    for path, mask in masks.items():
        unet.get_submodule(path).weight.data[mask] = 0.0  # type: ignore[operator]
    return unet


@pytest.mark.parametrize(("what", "masks"), [("neurons", neurons(0)), ("weights", weights(0))])
def test_off_is_the_same_as_zero(model: DiffusionModel, what: str, masks: Masks) -> None:
    """A neuron mask equals zeroed weight rows, a weight mask zeroed weights."""
    x_t, t, y = inputs(3)
    with model.edited(Edit(what, {JOINT: masks}, 0)):
        edited = model.eps(x_t, t, y)
    expected = zeroed(model, masks)(x_t, t, encoder_hidden_states=y).sample
    assert torch.allclose(edited, expected, atol=1e-6)
    assert not torch.allclose(edited, model.eps(x_t, t, y), atol=1e-4)


@pytest.mark.parametrize(("what", "draw"), [("neurons", neurons), ("weights", weights)])
def test_rows_of_one_batch_meet_their_own_groups(model: DiffusionModel, what: str, draw: object) -> None:
    """Rows 0 … 5 in groups c, a, b, a, c, b give what each gives on its own group's model alone."""
    groups = {name: draw(seed) for seed, name in enumerate("abc")}  # type: ignore[operator]
    x_t, t, y = inputs(6)
    group = torch.tensor([2, 0, 1, 0, 2, 1])
    with model.edited(Edit(what, groups, 0)):
        together = model.eps(x_t, t, y, group)
    for row, g in enumerate(group.tolist()):
        with model.edited(Edit(what, {JOINT: groups["abc"[g]]}, 0)):
            alone = model.eps(x_t[row : row + 1], t[row : row + 1], y[row : row + 1])
        assert torch.allclose(together[row], alone[0], atol=1e-5)


@pytest.mark.parametrize("what", ["neurons", "weights"])
def test_a_group_without_masks_meets_the_whole_model(model: DiffusionModel, what: str) -> None:
    """Beside a group that loses neurons or weights, an empty one loses none."""
    masks = neurons(1) if what == "neurons" else weights(1)
    x_t, t, y = inputs(2)
    with model.edited(Edit(what, {"some": masks, "nothing": {}}, 0)):
        edited = model.eps(x_t, t, y, torch.tensor([1, 1]))
    assert torch.allclose(edited, model.eps(x_t, t, y), atol=1e-6)


def test_without_any_neuron_only_the_output_bias_is_left(model: DiffusionModel) -> None:
    """All of W_V off: attention averages zeros, so that to_out gives its bias at every pixel."""
    path = "mid_block.attentions.0.transformer_blocks.0.attn2"
    attention = model.unet.get_submodule(path)
    with model.edited(Edit("neurons", {JOINT: {f"{path}.to_v": torch.ones(16, dtype=torch.bool)}}, 0)):
        out = attention(torch.randn(1, 4, 16), encoder_hidden_states=torch.randn(1, *Y_SHAPE))
    assert torch.allclose(out, attention.to_out[0].bias.expand(1, 4, 16), atol=1e-6)  # type: ignore[union-attr, index]


@pytest.mark.parametrize(("what", "masks"), [("neurons", neurons(2)), ("weights", weights(2))])
def test_everything_is_put_back_even_after_an_exception(model: DiffusionModel, what: str, masks: Masks) -> None:
    """The very modules that were there before, and every parameter bit by bit."""
    modules = dict(model.unet.named_modules())
    before = {name: weight.clone() for name, weight in model.unet.state_dict().items()}
    x_t, t, y = inputs(2)
    with pytest.raises(ZeroDivisionError), model.edited(Edit(what, {JOINT: masks}, 0)):
        model.eps(x_t, t, y)
        assert all(model.unet.get_submodule(path) is not modules[path] for path in masks)
        raise ZeroDivisionError
    assert dict(model.unet.named_modules()) == modules
    assert all(torch.equal(weight, before[name]) for name, weight in model.unet.state_dict().items())


def test_what_is_no_linear_layer_cannot_be_edited_and_nothing_stays_changed() -> None:
    """The second of two layers is refused after the first was swapped: the first is put back."""
    root = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    first = root[0]
    off = torch.tensor([True, False])
    with (
        pytest.raises(TypeError, match="1 is ReLU"),
        applied(root, Edit("neurons", {JOINT: {"0": off, "1": off}}, 4), Rows()),
    ):
        pass
    assert root[0] is first


def test_the_rows_forget_their_group_on_the_way_out() -> None:
    """The next edit begins without anybody's group."""
    root, rows = nn.Sequential(nn.Linear(2, 2)), Rows()
    with applied(root, Edit("neurons", {JOINT: {}}, 0), rows):
        rows.group = torch.tensor([0])
    assert rows.group is None


@pytest.mark.parametrize(
    "edit",
    [
        Edit("neurons", {JOINT: neurons(3)}, 40),
        Edit("weights", {"kite": weights(4), "fox": weights(5), "bell": {}}, 2304),
        Edit("neurons", {"fox": {}, "kite": {}}, 40),
        Edit("neurons", {f"target-{n}": neurons(n) for n in range(12)}, 40),
    ],
    ids=["joint", "one group empty", "nothing at all", "more than ten groups"],
)
def test_an_edit_survives_being_written_down(edit: Edit) -> None:
    """Groups in their order, every mask bit by bit, whatever the number of bits."""
    again = loads(edit.dumps())
    assert (again.what, again.size, list(again.groups)) == (edit.what, edit.size, list(edit.groups))
    for name, masks in edit.groups.items():
        assert sorted(again.groups[name]) == sorted(masks)
        assert all(torch.equal(again.groups[name][path], mask) for path, mask in masks.items())


def test_equal_edits_are_equal_bytes() -> None:
    """An artifact is kept by its digest: the same edit written twenty times is one blob."""
    edit = Edit("weights", {"fox": weights(6), "kite": weights(7)}, 2304)
    assert len({edit.dumps() for _ in range(20)}) == 1
    assert edit.dumps() != Edit("weights", {"fox": weights(6), "kite": weights(8)}, 2304).dumps()


def test_what_is_off_is_counted_by_group() -> None:
    """2 of 3 and 1 of 2 neurons make 3; the empty group has none off."""
    masks = {"a": torch.tensor([True, True, False]), "b": torch.tensor([False, True])}
    edit = Edit("neurons", {"fox": masks, "kite": {}}, 5)
    assert (edit.off("fox"), edit.off("kite")) == (3, 0)
    assert [edit.index_of(name) for name in ("fox", "kite")] == [0, 1]


def test_one_group_for_all_is_joint() -> None:
    """Only the single group "all" is; one target's own group is not."""
    assert Edit("neurons", {JOINT: {}}, 0).joint
    assert not Edit("neurons", {"fox": {}}, 0).joint
    assert not Edit("neurons", {JOINT: {}, "fox": {}}, 0).joint


def delta(seed: int, scale: float = 0.1) -> Masks:
    """Random Δ for a convolution, a linear layer with its bias, and a norm."""
    g = torch.Generator().manual_seed(seed)
    block = "mid_block.attentions.0.transformer_blocks.0"
    shapes = {"conv_in.weight": (8, 4, 3, 3), f"{block}.ff.net.2.bias": (16,), f"{block}.attn2.to_v.weight": (16, 16)}
    return {path: scale * torch.randn(shape, generator=g) for path, shape in shapes.items()}


def test_a_delta_is_added_to_the_weights(model: DiffusionModel) -> None:
    """Bit by bit what a copy gives whose parameters are W + Δ."""
    copied = copy.deepcopy(model.unet)
    for path, D in delta(0).items():
        copied.get_parameter(path).data.add_(D)
    x_t, t, y = inputs(3)
    with model.edited(Edit("delta", {JOINT: delta(0)}, 0)):
        edited = model.eps(x_t, t, y)
    assert torch.equal(edited, copied(x_t, t, encoder_hidden_states=y).sample)
    assert not torch.allclose(edited, model.eps(x_t, t, y), atol=1e-3)


def test_after_a_delta_the_very_same_parameters_are_back(model: DiffusionModel) -> None:
    """The objects and their bits, even after an exception; inside, others stood in for them."""
    parameters = dict(model.unet.named_parameters())
    before = {name: weight.clone() for name, weight in parameters.items()}
    with pytest.raises(ZeroDivisionError), model.edited(Edit("delta", {JOINT: delta(1)}, 0)):
        assert all(model.unet.get_parameter(path) is not parameters[path] for path in delta(1))
        assert not any(W.requires_grad for W in model.unet.parameters())
        raise ZeroDivisionError
    after = dict(model.unet.named_parameters())
    assert all(after[name] is parameters[name] and torch.equal(after[name], before[name]) for name in before)


def test_a_delta_survives_being_written_down() -> None:
    """Every number bit by bit, in float32; equal deltas are equal bytes; what is not 0 is counted."""
    edit = Edit("delta", {JOINT: {**delta(2), "norm": torch.tensor([0.0, -1e-38, 2.0])}}, 571)
    again = loads(edit.dumps())
    assert (again.what, again.size, again.joint) == ("delta", 571, True)
    assert all(torch.equal(again.groups[JOINT][path], D) for path, D in edit.groups[JOINT].items())
    assert {D.dtype for D in again.groups[JOINT].values()} == {torch.float32}
    assert len({edit.dumps() for _ in range(5)}) == 1
    assert edit.off(JOINT) == 8 * 4 * 3 * 3 + 16 + 16 * 16 + 2


def test_a_delta_is_for_all_rows() -> None:
    """Whole models differ by it: there is none per target."""
    with pytest.raises(ValueError, match="one for all rows"):
        Edit("delta", {"fox": {}, "kite": {}}, 0)


def test_a_delta_of_another_model_is_refused_and_nothing_stays_changed(model: DiffusionModel) -> None:
    """The second parameter has another shape: the first is put back."""
    first = model.unet.get_parameter("conv_in.bias")
    wrong = {"conv_in.bias": torch.ones(8), "conv_in.weight": torch.ones(3)}
    with (
        pytest.raises(TypeError, match=r"conv_in.weight is \[8, 4, 3, 3\], its delta \[3\]"),
        model.edited(Edit("delta", {JOINT: wrong}, 0)),
    ):
        pass
    assert model.unet.get_parameter("conv_in.bias") is first


@pytest.mark.parametrize(("what", "masks"), [("neurons", neurons(4)), ("weights", weights(4))])
def test_masks_are_also_a_delta(model: DiffusionModel, what: str, masks: Masks) -> None:
    """W + Δ is exactly 0 where a mask is on and W elsewhere; the model predicts what it does under the masks."""
    edit = Edit(what, {JOINT: masks}, 0)
    as_added = as_delta(model.unet, edit)
    assert (as_added.what, sorted(as_added.groups[JOINT])) == ("delta", sorted(f"{path}.weight" for path in masks))
    for path, mask in masks.items():
        W = model.unet.get_parameter(f"{path}.weight")
        off = mask.unsqueeze(1).expand_as(W) if what == "neurons" else mask
        assert torch.equal(W + as_added.groups[JOINT][f"{path}.weight"], W * ~off)
    x_t, t, y = inputs(2)
    with model.edited(edit):
        masked = model.eps(x_t, t, y)
    with model.edited(as_added):
        assert torch.allclose(model.eps(x_t, t, y), masked, atol=1e-6)
    assert as_delta(model.unet, as_added) is as_added


def test_a_silenced_neuron_loses_its_bias_too() -> None:
    """Off means that the output is 0, not that it is the bias."""
    root, x = nn.Sequential(nn.Linear(2, 3)), torch.randn(4, 2)
    edit = Edit("neurons", {JOINT: {"0": torch.tensor([True, False, True])}}, 3)
    with applied(root, as_delta(root, edit), Rows()):
        assert root(x)[:, [0, 2]].eq(0).all()
        added = root(x)
    with applied(root, edit, Rows()):
        assert torch.equal(root(x), added)
