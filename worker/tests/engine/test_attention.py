"""Attention written out: the same numbers, seen and changed, and undone."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from worker.engine.attention import Seen
from worker.engine.model import DiffusionModel
from worker.engine.parts import Parts
from worker.tests import tiny


@pytest.fixture
def heard(model: DiffusionModel) -> tuple[Tensor, Tensor, Tensor]:
    """Five rows for the denoiser."""
    torch.manual_seed(0)
    prompts = [*tiny.TARGETS.values(), *tiny.CONTROLS.values()]
    return torch.randn(5, *model.latent_shape), torch.arange(5), model.encode_prompts(prompts)


def test_written_out_it_computes_the_same(model: DiffusionModel, heard: tuple[Tensor, Tensor, Tensor]) -> None:
    """Up to rounding."""
    fused = model.eps(*heard)
    with model.attention_of(model.cross_attention()):
        torch.testing.assert_close(model.eps(*heard), fused, rtol=1e-4, atol=1e-5)


def test_every_layer_gets_its_own_way_back(model: DiffusionModel) -> None:
    """Also when the block ends in an error, and from blocks inside one another."""
    layers = model.cross_attention()
    before = {path: layer.processor for path, layer in layers.items()}
    with pytest.raises(KeyError), model.attention_of(layers), model.attention_of(layers):
        raise KeyError
    assert {path: layer.processor for path, layer in layers.items()} == before


def test_probabilities_are_seen_by_layer(model: DiffusionModel, heard: tuple[Tensor, Tensor, Tensor]) -> None:
    """B×H×P×L in the order the layers run: 8×8 pixels, then 4×4, then the middle's; each pixel's sum to one."""
    seen = Seen(lambda A: A)
    with model.attention_of(model.cross_attention(), see=seen.see):
        model.eps(*heard)
    layers = seen.take()
    assert list(layers) == [path.removesuffix(".to_v") for path in tiny.VALUE_LAYERS]
    assert [A.shape[2] for A in layers.values()] == [64, 16, 16]
    assert all(A.shape[0] == 5 and A.shape[3] == 20 for A in layers.values())
    assert all(torch.allclose(A.sum(dim=3), torch.ones(())) for A in layers.values())
    assert seen.take() == {}


def test_a_batch_in_parts_is_put_together(model: DiffusionModel, heard: tuple[Tensor, Tensor, Tensor]) -> None:
    """Two rows at a time or five at once: the same probabilities in the same order."""
    seen = Seen(lambda A: A.mean(dim=(1, 2)))
    taken = []
    for most in (5, 2):
        small = replace(model, parts=Parts(most))
        with small.attention_of(small.cross_attention(), see=seen.see):
            small.eps(*heard)
        taken.append(torch.stack(list(seen.take().values())))
    torch.testing.assert_close(*taken)


def test_logits_are_changed_where_each_part_says_it_stands(
    model: DiffusionModel, heard: tuple[Tensor, Tensor, Tensor]
) -> None:
    """Row 3 alone, whose logits are all made equal, attends to every token alike, whatever the parts."""
    seen = Seen(lambda A: A)

    def alter(logits: Tensor, start: int) -> Tensor:
        return torch.stack([row * (start + i != 3) for i, row in enumerate(logits)])

    small = replace(model, parts=Parts(2))
    with small.attention_of(small.cross_attention(), alter=alter, see=seen.see):
        small.eps(*heard)
    for A in seen.take().values():
        uniform = [bool(torch.allclose(row, torch.tensor(1 / 20))) for row in A]
        assert uniform == [False, False, False, True, False]
