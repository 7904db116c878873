"""Two methods, one image."""

import pytest
import torch

from palimpsest.contract.methods import LocalityParams
from worker.engine.errors import MethodFailed
from worker.engine.locality.between_methods import (
    BetweenMethods,
    analyse,
    compared,
    cut,
    largest,
    pairing_p,
    value_scores,
    weight,
)
from worker.engine.mitigations import nemo
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting
from worker.tests import tiny


def test_the_share_that_is_cut_by_hand() -> None:
    """W = [[1, −3], [2, 2]]: without its second column a row loses 3/4 and 2/4; without anything, nothing."""
    W = torch.tensor([[1.0, -3.0], [2.0, 2.0]])
    assert cut(W, torch.tensor([False, True]).expand(2, 2)).tolist() == [0.75, 0.5]
    assert cut(W, torch.zeros(2, 2, dtype=torch.bool)).tolist() == [0, 0]


def test_the_largest_and_of_equal_ones_the_first() -> None:
    """Two of 5, 7, 5, 1: the 7 and the first 5."""
    assert largest(torch.tensor([5.0, 7.0, 5.0, 1.0]), 2).tolist() == [True, True, False, False]


def told(matrix: list[list[float]], permutations: int = 999) -> BetweenMethods:
    """A comparison of a matrix made by hand."""
    return compared(
        0,
        "units",
        "layer",
        torch.tensor(matrix, dtype=torch.float64).view(len(matrix), len(matrix)),
        left_out=1,
        chance=0.1,
        rank_correlation=None,
        permutations=permutations,
    )


def test_one_image_against_two_by_hand() -> None:
    """The diagonal 0.6, 0.9, 0.3 against the rest: 0.6 and 0.1; of the six pairings only the true one has that mean."""
    found = told([[0.6, 0.1, 0.1], [0.1, 0.9, 0.1], [0.1, 0.1, 0.3]])
    assert (found.images, found.left_out) == (3, 1)
    assert (found.one_image, found.two_images, found.chance) == (0.6, 0.1, 0.1)
    half = 4.302653 * 0.3 / 3**0.5
    assert (found.low, found.high) == pytest.approx((0.6 - half, 0.6 + half), abs=1e-5)
    assert found.p == pytest.approx(1 / 6, abs=0.05)


def test_without_agreement_p_is_one() -> None:
    """All pairings alike; a single image has neither null nor interval, none has nothing."""
    assert told([[0.5, 0.5], [0.5, 0.5]]).p == 1
    alone, nobody = told([[0.4]]), told([])
    assert (alone.one_image, alone.two_images, alone.low, alone.p) == (0.4, None, None, None)
    assert (nobody.images, nobody.one_image, nobody.p) == (0, None, None)


def test_the_pairing_null_is_repeatable() -> None:
    """The same generator, the same p."""
    matrix = torch.rand(5, 5, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    assert pairing_p(matrix, 199, generator_for(0, "x")) == pairing_p(matrix, 199, generator_for(0, "x"))


def test_wandas_rule_on_a_value_layer(setting: Setting) -> None:
    """
    The input is the text: A_j = √Σ over the caption's and the empty prompt's unit rows, the base twice the empty prompt
    a neuron scores the sum of |W_ij|·A_j over the ⌊s·16⌋ = 3 largest of its row that exceed the base's; worked out anew
    """
    path = next(iter(tiny.VALUE_LAYERS))
    W = setting.model.value_layers()[path].weight.detach()
    y, empty = setting.model.encode_prompts([tiny.NEUTRAL[0], ""])
    unit = [rows / rows.norm(dim=1, keepdim=True) for rows in (y, empty)]
    A = (unit[0].pow(2).sum(0) + unit[1].pow(2).sum(0)).sqrt()
    base = (2 * unit[1].pow(2).sum(0)).sqrt()
    expected = []
    for row in W.abs():
        top = (row * A).argsort(descending=True)[:3].tolist()
        expected.append(sum(float(row[j] * A[j]) for j in top if A[j] > base[j]))
    found = value_scores(setting, path, y[None], 0.2)
    assert found[0].tolist() == pytest.approx(expected, abs=1e-4)


def test_both_ways_for_every_block(setting: Setting, params: LocalityParams) -> None:
    """Three blocks in two units; images for which NeMo selects nothing are counted, not compared."""
    captions = list(tiny.TARGETS.values())
    hold_out = nemo.measure_hold_out(setting, params.nemo)
    rows = analyse(setting, captions, hold_out, params)
    blocks = [path.removesuffix(".attn2.to_v") for path in tiny.VALUE_LAYERS]
    assert [(row.units, row.layer) for row in rows] == [
        *(("residual channels", block) for block in blocks),
        *(("value neurons", block) for block in blocks),
    ]
    assert all(row.images + row.left_out == 3 for row in rows)
    compared_rows = [row for row in rows if row.images]
    assert compared_rows
    assert all(row.one_image is not None and 0 <= row.one_image <= 1 for row in compared_rows)
    assert rows == analyse(setting, captions, hold_out, params)


def test_what_is_no_linear_layer_is_refused(setting: Setting) -> None:
    """By name."""
    with pytest.raises(MethodFailed, match="conv_in is not a linear layer"):
        weight(setting, "conv_in")
