"""Attention entropy: by hand on distributions, and on a model whose attention is uniform."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import tensor

from palimpsest.contract.methods import AttentionEntropyParams
from worker.engine.detectors import attention_entropy
from worker.engine.detectors.attention_entropy import attended, entropy, score, summary
from worker.engine.errors import MethodFailed
from worker.engine.model import DiffusionModel
from worker.engine.setting import Setting
from worker.tests import tiny

PROMPTS = list(tiny.TARGETS.values())
L = 20


@pytest.fixture(scope="module")
def unfocused(demo: Path) -> DiffusionModel:
    """The tiny model with queries of zero: every pixel attends to all tokens alike."""
    model = DiffusionModel.load(demo / "model")
    for layer in model.cross_attention().values():
        layer.get_parameter("to_q.weight").data.zero_()
    return model


def test_uniform_attention_over_77_tokens_has_entropy_4_3438() -> None:
    """E = ln 77."""
    assert entropy(torch.full((1, 77), 1 / 77)).item() == pytest.approx(4.3438, abs=5e-5)


def test_attention_on_one_token_has_none() -> None:
    """1 ln 1 = 0, and 0 ln 0 = 0."""
    assert entropy(tensor([[0.0, 1.0, 0.0]])).item() == 0


def test_summary_tokens_begin_with_the_end_token() -> None:
    """
    of 5 tokens, a prompt of length 3 is BOS, word, EOS: tokens 2, 3 and 4 summarize it
    a prompt that fills all 5 has its EOS at 4
    """
    assert summary(tensor([3, 5]), 5).tolist() == [[False, False, True, True, True], [False] * 4 + [True]]


def test_the_sum_over_summary_tokens_by_hand() -> None:
    """a = (½, ¼, ¼), the last token alone: −¼ ln ¼ = ½ ln 2"""
    part = entropy(tensor([[0.5, 0.25, 0.25]]), tensor([[False, False, True]]))
    assert part.item() == pytest.approx(0.5 * math.log(2))


def test_uniform_attention_gives_ln_of_the_tokens(setting: Setting, unfocused: DiffusionModel) -> None:
    """E is ln L; D too, for its second part does not change along the way."""
    uniform = replace(setting, model=unfocused)
    for params in (AttentionEntropyParams(metric="E", layer=2), AttentionEntropyParams(metric="D")):
        torch.testing.assert_close(score(uniform, PROMPTS, params), torch.full((3,), math.log(L)))


def test_metric_e_is_the_entropy_of_the_mean_over_heads(setting: Setting) -> None:
    """Mean first, entropy then: never less than the mean of the heads' entropies."""
    [layers] = attended(setting, PROMPTS[:1], 1, first=1)
    A = list(layers.values())[1]
    scored = score(setting, PROMPTS[:1], AttentionEntropyParams(metric="E", layer=1))
    torch.testing.assert_close(scored, entropy(A.mean(dim=1)))
    assert scored.item() >= entropy(A[0]).mean().item()


def test_metric_d_by_hand(setting: Setting) -> None:
    """Two steps, of which the last alone counts: E_1 + (E_1° − E_0°)."""
    first, last = (
        torch.stack(list(layers.values())).mean(dim=(0, 2)) for layers in attended(setting, PROMPTS[:1], 1, None)
    )
    rest = summary(setting.model.lengths(PROMPTS[:1]), L)
    by_hand = entropy(last) + entropy(last, rest) - entropy(first, rest)
    scored = score(setting, PROMPTS[:1], AttentionEntropyParams(metric="D", last_steps=1))
    torch.testing.assert_close(scored, by_hand)


def test_the_layers_are_seen_in_running_order(setting: Setting) -> None:
    """Down blocks first, the middle last; A is N·S×H×L and sums to one."""
    [layers] = attended(setting, PROMPTS, 2, first=1)
    assert list(layers) == [path.removesuffix(".to_v") for path in tiny.VALUE_LAYERS]
    assert all(A.shape[0] == 6 and A.shape[2] == L for A in layers.values())
    assert all(torch.allclose(A.sum(dim=2), torch.ones(())) for A in layers.values())


def test_a_layer_the_model_has_not_is_refused(setting: Setting) -> None:
    """The released layer 3 is the fourth, this model has three."""
    with pytest.raises(MethodFailed, match="layer 3, the model has 3"):
        attention_entropy.score(setting, PROMPTS, AttentionEntropyParams(metric="E"))
