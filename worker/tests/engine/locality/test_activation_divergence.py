"""How far activations are apart, layer by layer."""

from math import sqrt

import pytest
import torch

from palimpsest.contract.methods import LocalityParams
from worker.engine.diffusion import ddim_timesteps
from worker.engine.locality.activation_divergence import analyse, discrepancy, feedforward_inputs, statistic
from worker.engine.mitigations import nemo
from worker.engine.seeds import noise
from worker.engine.setting import Setting
from worker.tests import tiny
from worker.tests.engine.locality.conftest import Make

IMAGES = ["fox", "fox", "kite", "kite"]
CAPTIONS = list(tiny.TARGETS.values())


def test_discrepancy_by_hand() -> None:
    """(0,0), (3,4), (0,1): (5 + 1 + √18)/3; equal ones 0; one alone 0."""
    assert discrepancy(torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])) == pytest.approx(
        (6 + sqrt(18)) / 3, abs=1e-5
    )
    assert discrepancy(torch.ones(3, 4)) == 0
    assert discrepancy(torch.ones(1, 4)) == 0


def test_the_statistics_by_hand() -> None:
    """
    Two tokens (3, −4) and (0, 2): NeMo's means of |a| are (1.5, 3)
    unit rows (0.6, −0.8) and (0, 1): Wanda's column norms are 0.6 and √1.64
    """
    a = torch.tensor([[[3.0, -4.0], [0.0, 2.0]]])
    assert statistic("nemo", a)[0].tolist() == [1.5, 3]
    assert statistic("wanda", a)[0].tolist() == pytest.approx([0.6, sqrt(1.64)])


def test_nemos_statistic_is_nemos_own(setting: Setting) -> None:
    """What the mitigation reads off a prompt."""
    y = setting.model.encode_prompts(tiny.NEUTRAL[:2])
    for path, a in nemo.activations(setting, tiny.NEUTRAL[:2]).items():
        layer = setting.model.value_layers()[path]
        assert torch.allclose(statistic("nemo", y @ layer.weight.T), a, atol=1e-6)


def test_every_embedding_meets_the_same_noise(setting: Setting) -> None:
    """Inputs at the first timestep from one x_T, N×T×I; two equal embeddings have equal ones, whatever the batch."""
    path, (_, width) = next(iter(tiny.FEEDFORWARD_LAYERS.items()))
    y = setting.model.encode_prompts([tiny.NEUTRAL[0], tiny.NEUTRAL[1], tiny.NEUTRAL[0]])
    h = feedforward_inputs(setting, y, path)
    assert h.shape == (3, 64, width)
    assert torch.allclose(h[0], h[2], atol=1e-5)
    assert not torch.allclose(h[0], h[1], atol=1e-5)
    seen: list[torch.Tensor] = []
    with setting.model.inputs_of({path: setting.model.feedforward_layers()[path]}, lambda _, h: seen.append(h)):
        setting.model.eps(
            noise(setting.model.latent_shape, [("locality",)], setting.seed),
            torch.tensor(ddim_timesteps(setting.sampler.steps)[:1]),
            y[1:2],
        )
    assert torch.allclose(seen[0][0], h[1], atol=1e-5)


def test_rows_that_pass_in_parts_stay_in_order(setting: Setting) -> None:
    """Memory for two of five rows: the same inputs as all at once."""
    path = list(tiny.FEEDFORWARD_LAYERS)[-1]
    y = setting.model.encode_prompts(tiny.NEUTRAL[:5])
    whole = feedforward_inputs(setting, y, path)
    most, setting.model.parts.most = setting.model.parts.most, 2
    try:
        assert torch.allclose(feedforward_inputs(setting, y, path), whole, atol=1e-5)
    finally:
        setting.model.parts.most = most


def test_equal_triggers_of_an_image_do_not_diverge(setting: Setting, params: LocalityParams, by_hand: Make) -> None:
    """Foxes alike, kites alike: D within an image 0, between two above; beside it captions and prompts."""
    fox, kite = setting.model.encode_prompts(tiny.NEUTRAL[:2])
    y = torch.stack([fox, fox, kite, kite])
    rows = analyse(setting, by_hand(IMAGES, y, y), CAPTIONS, tiny.NEUTRAL, params)
    assert len(rows) == 2 * (len(tiny.VALUE_LAYERS) + len(tiny.FEEDFORWARD_LAYERS))
    for row in rows:
        assert row.contrast.same == pytest.approx(0, abs=2e-4)
        assert row.contrast.different is not None
        assert row.contrast.different > 10 * (row.contrast.same or 0)
        assert row.captions > 0
        assert row.prompts > 0
        assert row.p_adjusted is not None
        assert row.contrast.p is not None
        assert row.p_adjusted >= row.contrast.p


def test_captions_are_those_of_the_mitigations_layers(setting: Setting, params: LocalityParams, by_hand: Make) -> None:
    """D over three captions in the first value layer, flattened, worked out apart."""
    y = setting.model.encode_prompts(tiny.NEUTRAL[:4])
    rows = analyse(setting, by_hand(IMAGES, y, y), CAPTIONS, tiny.NEUTRAL, params)
    path, layer = next(iter(setting.model.value_layers().items()))
    a = (setting.model.encode_prompts(CAPTIONS) @ layer.weight.T).flatten(1)
    expected = sum(float((a[i] - a[j]).norm()) for i, j in ((0, 1), (0, 2), (1, 2))) / 3
    [row] = [row for row in rows if (row.layer, row.reduction) == (path, "tokens")]
    assert row.captions == pytest.approx(expected, abs=1e-3)
