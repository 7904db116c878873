"""Packed sets and how far they agree."""

from itertools import combinations
from math import isnan

import numpy as np
import pytest
import torch
from scipy.stats import hypergeom

from palimpsest.contract.methods import LocalityParams
from worker.engine.locality.sets import agreements, count, expected_iou, iou, nemo_sets, pack, unpack, wanda_sets
from worker.engine.mitigations import nemo, wanda
from worker.engine.setting import Setting
from worker.tests import tiny


def of(*members: int, size: int = 11) -> torch.Tensor:
    """A mask with these entries set."""
    mask = torch.zeros(size, dtype=torch.bool)
    mask[list(members)] = True
    return mask


def test_a_set_is_packed_and_counted() -> None:
    """Eleven entries in two bytes, and back; a matrix keeps its shape."""
    mask = of(0, 3, 10)
    assert len(pack(mask)) == 2
    assert count(pack(mask)) == 3
    assert torch.equal(unpack(pack(mask), (11,)), mask)
    matrix = torch.rand(3, 5, generator=torch.Generator().manual_seed(1)) > 0.5
    assert torch.equal(unpack(pack(matrix), (3, 5)), matrix)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [((1, 2, 3), (1, 2, 3), 1), ((1, 2), (3, 4), 0), ((1, 2, 3), (3, 4), 1 / 4), ((1, 2), (), 0)],
)
def test_agreement_by_hand(a: tuple[int, ...], b: tuple[int, ...], expected: float) -> None:
    """Identical sets 1, disjoint 0, one of four in common 1/4, something against nothing 0."""
    assert iou(pack(of(*a)), pack(of(*b))) == expected


def test_two_empty_sets_are_set_apart() -> None:
    """Not a number, so that nobody averages it in by accident; n sets are an n×n matrix, none of them 0×0."""
    assert isnan(iou(pack(of()), pack(of())))
    matrix = agreements([pack(of()), pack(of(1)), pack(of(1, 2))])
    assert matrix.shape == (3, 3)
    assert matrix[1:, 1:].tolist() == [[1, 0.5], [0.5, 1]]
    assert matrix[0].isnan().tolist() == [True, False, False]
    assert agreements([], []).shape == (0, 0)


def test_two_lists_of_sets_are_compared_row_by_column() -> None:
    """Rows are the first list."""
    matrix = agreements([pack(of(1)), pack(of(2))], [pack(of(1, 2)), pack(of(2)), pack(of(3))])
    assert matrix.tolist() == [[0.5, 0, 0], [0.5, 1, 0]]


@pytest.mark.parametrize(("n", "a", "b"), [(2, 1, 1), (4, 2, 2), (5, 2, 3), (6, 0, 2), (3, 3, 2)])
def test_chance_is_the_mean_over_all_sets(n: int, a: int, b: int) -> None:
    """Every set of a against every set of b among n, counted out: for n = 2 and single ones, 1/2."""
    values = [
        len(set(A) & set(B)) / len(set(A) | set(B))
        for A in combinations(range(n), a)
        for B in combinations(range(n), b)
    ]
    assert expected_iou(n, a, b) == pytest.approx(sum(values) / len(values))


def test_nemos_sets_are_what_nemo_selects(setting: Setting, params: LocalityParams) -> None:
    """For captions given as embeddings, what ``localize`` gives for the same captions; every layer has an entry."""
    hold_out = nemo.measure_hold_out(setting, params.nemo)
    y = setting.model.encode_prompts(tiny.NEUTRAL[:3])
    found = nemo_sets(setting, y, hold_out, params.nemo)
    direct = nemo.neurons_of(setting, y, hold_out, params.nemo)
    assert list(found) == list(tiny.VALUE_LAYERS)
    assert sum(count(one) for chosen in found.values() for one in chosen.sets) > 0
    for path, chosen in found.items():
        assert chosen.units == tiny.VALUE_LAYERS[path]
        for i, one in enumerate(chosen.sets):
            expected = direct.get(i, {}).get(path, torch.zeros(chosen.units, dtype=torch.bool))
            assert torch.equal(unpack(one, (chosen.units,)), expected)


def test_wandas_sets_are_what_wanda_prunes(setting: Setting, params: LocalityParams) -> None:
    """For an embedding, the masks of its caption."""
    prompts = tiny.NEUTRAL[:2]
    found = wanda_sets(setting, setting.model.encode_prompts(prompts), params.wanda)
    A, A_base = wanda.column_norms(setting, prompts, 1), wanda.column_norms(setting, ["", ""], 1)
    weights = {path: layer.weight.detach() for path, layer in setting.model.feedforward_layers().items()}
    assert list(found) == list(tiny.FEEDFORWARD_LAYERS)
    for i in range(2):
        masks = wanda.masks(weights, A, A_base, i, params.wanda.sparsity)
        for path, mask in masks.items():
            assert found[path].units == mask.numel()
            assert torch.equal(unpack(found[path].sets[i], mask.shape), mask)


def test_chance_of_large_sets_is_that_of_the_tables() -> None:
    """By scipy's hypergeometric distribution, 400 and 600 among 10,000; near a·b/n over a + b − a·b/n = 24/976."""
    k = np.arange(401)
    expected = float((hypergeom.pmf(k, 10_000, 400, 600) * k / (1000 - k)).sum())
    assert expected_iou(10_000, 400, 600) == pytest.approx(expected, rel=1e-9)
    assert expected == pytest.approx(24 / 976, rel=1e-2)
