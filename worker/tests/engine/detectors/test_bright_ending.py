"""Bright ending: by hand, against the released two runs, and equal to magnitude where the mask says nothing."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, tensor

from palimpsest.contract.methods import BrightEndingParams, MagnitudeParams
from worker.engine.attention import Seen
from worker.engine.detectors import bright_ending, magnitude
from worker.engine.detectors.bright_ending import ending, masked_magnitude
from worker.engine.errors import MethodFailed
from worker.engine.model import DiffusionModel
from worker.engine.setting import Setting
from worker.engine.trajectory import follow, noises, repeated
from worker.tests import tiny

PROMPTS = list(tiny.TARGETS.values())


def test_masked_magnitude_by_hand() -> None:
    """
    one step, two pixels, Δ² = (9, 16), m = (1, 0)   →   √9 / ½ = 6
    two steps are averaged: Δ² = (1, 0) at the second   →   (3 + 1)/2 / ½ = 4
    """
    assert masked_magnitude(tensor([[[9.0, 16.0]]]), tensor([[1.0, 0.0]])).tolist() == [6.0]
    assert masked_magnitude(tensor([[[9.0, 16.0]], [[1.0, 0.0]]]), tensor([[1.0, 0.0]])).tolist() == [4.0]


def test_the_mask_is_the_end_tokens_column() -> None:
    """Lengths 3 and 2: columns 2 and 1 of their rows."""
    A = torch.arange(12.0).view(2, 2, 3)
    assert ending(A, tensor([3, 2])).tolist() == [[2.0, 5.0], [7.0, 10.0]]


def test_a_constant_mask_gives_the_plain_magnitude(setting: Setting, demo: Path) -> None:
    """Queries of zero: all attention is 1/L, m is constant and falls out of the quotient."""
    model = DiffusionModel.load(demo / "model")
    for layer in model.cross_attention().values():
        layer.get_parameter("to_q.weight").data.zero_()
    flat = replace(setting, model=model)
    local = bright_ending.score(flat, PROMPTS, BrightEndingParams(images=2))
    torch.testing.assert_close(local, magnitude.score(flat, PROMPTS, MagnitudeParams(images=2)))


def test_one_run_gives_what_the_released_two_give(setting: Setting) -> None:
    """Run 1 stores m at the last step; run 2, from the same noise, multiplies every Δ by it."""
    model, S = setting.model, 2
    y, x_T = repeated(model, PROMPTS, S), noises(setting, len(PROMPTS), S)
    seen, masks = Seen(lambda A: A), list[Tensor]()

    def store(_: Tensor) -> None:
        [both] = seen.take().values()
        masks.append(both.chunk(2)[1].mean(dim=1))

    with model.attention_of(bright_ending.layers(model), see=seen.see):
        follow(setting, y, x_T, store)
    ends = model.lengths(PROMPTS).repeat_interleave(S) - 1
    m = torch.stack([A[:, end] for A, end in zip(masks[-1], ends, strict=True)]).view(-1, 1, 8, 8)
    norms: list[Tensor] = []
    follow(setting, y, x_T, lambda delta: norms.append((delta * m).flatten(1).norm(dim=1)))
    released = torch.stack(norms).mean(dim=0) / m.flatten(1).mean(dim=1)
    torch.testing.assert_close(bright_ending.local(setting, PROMPTS, S), released, rtol=1e-4, atol=1e-5)


def test_a_model_without_such_layers_is_refused(setting: Setting) -> None:
    """Nothing attends at the latent's own resolution."""

    class Without(DiffusionModel):
        def cross_attention(self) -> dict[str, torch.nn.Module]:
            return {}

    bare = Without(setting.model.pipeline, "", "sd1", setting.model.alpha_bar, (4, 8, 8))
    with pytest.raises(MethodFailed, match="first down block"):
        bright_ending.score(replace(setting, model=bare), PROMPTS, BrightEndingParams())
