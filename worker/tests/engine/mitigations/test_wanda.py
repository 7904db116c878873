"""Wanda: importance by hand, masks by their properties."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from palimpsest.contract.methods import WandaParams
from worker.engine.edits import JOINT, Masks
from worker.engine.errors import MethodFailed
from worker.engine.items import Item
from worker.engine.mitigations import wanda
from worker.engine.mitigations.wanda import importance, masks, most_important
from worker.engine.model import MOST_ROWS
from worker.engine.setting import Setting
from worker.tests import tiny


def test_importance_by_hand() -> None:
    """
    W = [[1, −3], [2, ½]],  A = [2, 1]   →   S = [[2, 3], [4, ½]]
    half of each row: column 1 above, column 0 below
    """
    S = importance(torch.tensor([[1.0, -3.0], [2.0, 0.5]]), torch.tensor([2.0, 1.0]))
    assert S.tolist() == [[2.0, 3.0], [4.0, 0.5]]
    assert most_important(S, 0.5).tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize(
    ("inputs", "sparsity", "n"), [(1280, 0.01, 12), (2560, 0.01, 25), (5120, 0.01, 51), (99, 0.01, 0), (4, 0.5, 2)]
)
def test_a_row_loses_at_most_its_share_rounded_down(inputs: int, sparsity: float, n: int) -> None:
    """⌊s·I⌋ in every row: 12, 25 and 51 in Stable Diffusion's layers."""
    assert most_important(torch.rand(3, inputs), sparsity).sum(dim=1).tolist() == [n] * 3


def masked(W: Tensor, target: list[Tensor], base: list[Tensor], sparsity: float) -> Tensor:
    """The mask of one layer, from A over some timesteps."""

    def norms(steps: list[Tensor]) -> list[dict[str, Tensor]]:
        return [{"layer": A[None]} for A in steps]

    return masks({"layer": W}, norms(target), norms(base), 0, sparsity)["layer"]


def test_a_mask_by_hand() -> None:
    """
    W = [[1, 1, 1, 1]], target A = [4, 3, 2, 1], base A = [5, 1, 1, 1], half of the row
    the largest are columns 0 and 1; column 0 matters more to the base prompt and stays
    """
    W, target, base = torch.ones(1, 4), torch.tensor([4.0, 3, 2, 1]), torch.tensor([5.0, 1, 1, 1])
    assert masked(W, [target], [base], 0.5).tolist() == [[False, True, False, False]]


def test_steps_are_united() -> None:
    """Column 1 at the first step, column 2 at the second: both, more than one step's share."""
    W, base = torch.ones(1, 4), torch.zeros(4)
    first, second = torch.tensor([0.0, 2, 1, 1]), torch.tensor([0.0, 1, 2, 1])
    assert masked(W, [first, second], [base, base], 0.25).tolist() == [[False, True, True, False]]


rows = st.lists(st.floats(0.01, 10), min_size=8, max_size=8)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(rows, min_size=1, max_size=4),
    st.lists(rows, min_size=4, max_size=4),
    st.lists(rows, min_size=3, max_size=3),
)
def test_masks_have_their_properties(target: list[list[float]], base: list[list[float]], W: list[list[float]]) -> None:
    """Equal to the base: nothing. More steps: more, never less. W four times as large: the same mask."""
    weight, A, B = torch.tensor(W), [torch.tensor(t) for t in target], [torch.tensor(b) for b in base][: len(target)]
    assert not masked(weight, A, A, 0.25).any()
    whole = masked(weight, A, B, 0.25)
    for tau in range(1, len(A)):
        assert not (masked(weight, A[:tau], B[:tau], 0.25) & ~whole).any()
    assert torch.equal(whole, masked(4 * weight, A, B, 0.25))
    assert int(whole.sum(dim=1).max()) <= 2 * len(A)


def test_pooled_norms_by_hand() -> None:
    """√(3² + 4²) = 5 over two prompts."""
    [step] = wanda.pooled([{"layer": torch.tensor([[3.0, 0.0], [4.0, 1.0]])}])
    assert step["layer"].tolist() == [[5.0, 1.0]]


def test_unit_rows_share_out_their_number(setting: Setting) -> None:
    """Σ_j A_j² is the number of rows: both halves of 64 tokens at 8×8 and of 16 at 4×4."""
    norms = wanda.column_norms(setting, list(tiny.TARGETS.values()), 2)
    assert len(norms) == 2
    for step in norms:
        assert {path: A.shape for path, A in step.items()} == {
            path: (3, shape[1]) for path, shape in tiny.FEEDFORWARD_LAYERS.items()
        }
        for (path, A), tokens in zip(step.items(), (64, 16, 16), strict=True):
            assert A.pow(2).sum(dim=1).tolist() == pytest.approx([2 * tokens] * 3, rel=1e-4), path


def test_no_more_steps_than_the_sampler_takes(setting: Setting) -> None:
    """τ = 10 of a sampler with 2 steps is 2; 1 is 1."""
    assert [len(wanda.column_norms(setting, ["a fox"], tau)) for tau in (10, 1)] == [2, 1]


def test_a_prompt_alone_and_among_others_has_the_same_norms(setting: Setting) -> None:
    """Every prompt starts from the same noise, as in the release, and no row meets another."""
    together = wanda.column_norms(setting, list(tiny.TARGETS.values()), 2)
    for i, prompt in enumerate(tiny.TARGETS.values()):
        alone = wanda.column_norms(setting, [prompt], 2)
        for one, all_ in zip(alone, together, strict=True):
            assert all(torch.allclose(one[path][0], all_[path][i], atol=1e-4) for path in one)


def test_more_prompts_than_fit_one_pass(setting: Setting) -> None:
    """129 prompts are 258 rows, passed on in 256 and 2: the last prompt's norms are as if alone."""
    prompts = ["a blue cup"] * (MOST_ROWS // 2) + ["a red fox"]
    [together] = wanda.column_norms(setting, prompts, 1)
    [alone] = wanda.column_norms(setting, ["a red fox"], 1)
    assert all(torch.allclose(together[path][-1], alone[path][0], atol=1e-4) for path in alone)


def test_rows_that_are_passed_again_are_looked_at_once(setting: Setting) -> None:
    """Memory for 2 rows gives out in the very last layer, after all others have been looked at: equal norms."""
    prompts = list(tiny.TARGETS.values())
    whole = wanda.column_norms(setting, prompts, 2)

    def give_out(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if len(inputs[0]) > 2:
            raise torch.OutOfMemoryError

    hook = setting.model.unet.get_submodule("conv_out").register_forward_pre_hook(give_out)
    try:
        limited = wanda.column_norms(setting, prompts, 2)
    finally:
        hook.remove()
    assert setting.model.parts.most == 1
    for one, other in zip(whole, limited, strict=True):
        assert all(torch.allclose(one[path], other[path], atol=1e-4) for path in tiny.FEEDFORWARD_LAYERS)


def test_the_base_prompt_itself_loses_nothing(setting: Setting, targets: list[Item]) -> None:
    """Target and base are the same run: nothing exceeds itself."""
    edit = wanda.apply(setting, [replace(targets[0], prompt="")], WandaParams(sparsity=0.1, timesteps=2)).edit
    assert edit is not None
    assert edit.off("fox") == 0


def everything(found: Masks) -> Tensor:
    """A mask set as one row."""
    return torch.cat([found[path].flatten() for path in tiny.FEEDFORWARD_LAYERS])


def test_every_target_loses_its_own_weights(setting: Setting, targets: list[Item]) -> None:
    """3 of 32 and 6 of 64 inputs in a row at most, over one step; what more steps take includes it."""
    one, two = (wanda.apply(setting, targets, WandaParams(sparsity=0.1, timesteps=tau)).edit for tau in (1, 2))
    assert one is not None
    assert two is not None
    assert (one.what, one.size, list(one.groups)) == ("weights", 2304, list(tiny.TARGETS))
    for name in tiny.TARGETS:
        assert one.off(name) > 0
        assert {path: mask.shape for path, mask in one.groups[name].items()} == tiny.FEEDFORWARD_LAYERS
        for mask in one.groups[name].values():
            assert int(mask.sum(dim=1).max()) <= int(0.1 * mask.shape[1])
        assert not (everything(one.groups[name]) & ~everything(two.groups[name])).any()
    assert not torch.equal(everything(one.groups["fox"]), everything(one.groups["kite"]))


def test_joint_is_one_mask_for_all(setting: Setting, targets: list[Item]) -> None:
    """From pooled norms; for a single target it is that target's own mask."""
    params = WandaParams(sparsity=0.1, timesteps=1, scope="joint")
    joint = wanda.apply(setting, targets, params)
    assert joint.edit is not None
    assert (joint.scope, joint.edit.joint) == ("joint", True)
    single = wanda.apply(setting, targets[:1], params).edit
    own = wanda.apply(setting, targets[:1], WandaParams(sparsity=0.1, timesteps=1)).edit
    assert single is not None
    assert own is not None
    assert torch.equal(everything(single.groups[JOINT]), everything(own.groups["fox"]))


def test_a_target_without_a_caption_keeps_its_weights(setting: Setting, targets: list[Item]) -> None:
    """An empty group and a note; with no caption at all the method fails."""
    silent = replace(targets[0], prompt=None)
    mitigated = wanda.apply(setting, [silent, targets[1]], WandaParams(sparsity=0.1, timesteps=1))
    assert mitigated.edit is not None
    assert mitigated.edit.off("fox") == 0
    assert mitigated.edit.off("kite") > 0
    assert mitigated.notes == ["fox has no prompt: wanda prunes nothing for it"]
    with pytest.raises(MethodFailed, match="looks at prompts"):
        wanda.apply(setting, [silent], WandaParams())
