"""FID's conventions, on a network with Inception's interface and few weights."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from worker.engine.errors import JudgeRefused, MethodFailed
from worker.engine.utility.inception import open_inception, resized


class Layers(nn.Module):
    """Means of every channel's quarters, as twelve features."""

    def forward(self, x: Tensor) -> Tensor:
        """N×3×299×299 → N×12×1×1."""
        return nn.functional.adaptive_avg_pool2d(x, 2).reshape(x.shape[0], 12, 1, 1)


class Network(nn.Module):
    """NVIDIA's file has its convolutions under ``layers``."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = Layers()

    def forward(self, x: Tensor) -> Tensor:
        """As the part that counts."""
        out: Tensor = self.layers(x)
        return out


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A TorchScript file."""
    file = tmp_path / "inception-2015-12-05.pt"
    torch.jit.script(Network()).save(str(file))
    return file


def test_without_weights_it_is_refused_and_said_why(tmp_path: Path) -> None:
    """No file named, or none there."""
    with pytest.raises(MethodFailed, match=r"FID needs Inception's weights .* no file is named"):
        open_inception(None)
    with pytest.raises(MethodFailed, match=r"there is no file .*nowhere\.pt"):
        open_inception(tmp_path / "nowhere.pt")


def test_other_weights_than_stated_are_refused(weights: Path) -> None:
    """By digest; and a TorchScript file without the part that is called."""
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert open_inception(weights, digest).digest == digest
    with pytest.raises(JudgeRefused, match="not 00ff"):
        open_inception(weights, "00ff")
    torch.jit.script(Layers()).save(str(weights))
    with pytest.raises(JudgeRefused, match="is not Inception as NVIDIA publishes it"):
        open_inception(weights)
    weights.write_bytes(b"no archive")
    with pytest.raises(JudgeRefused, match="is not Inception"):
        open_inception(weights)


def test_pictures_are_resized_as_floats_channel_by_channel() -> None:
    """
    Pillow's bicubic on 8-bit values held as floats, not rounded and not clipped: the same as asking Pillow for one
    channel, with values between two integers and, at a hard edge, beyond 255
    """
    picture = torch.zeros(3, 8, 8)
    picture[0, :, 4:] = 1
    picture[1] = 100.4 / 255
    out = resized(picture[None])[0]
    assert out.shape == (3, 299, 299)
    channel = Image.fromarray((picture[0].numpy() * 255).astype(np.float32)).resize(
        (299, 299), Image.Resampling.BICUBIC
    )
    assert np.array_equal(out[0].numpy(), np.asarray(channel))
    assert float(out[0].max()) > 255
    assert bool((out[0] % 1 > 0.01).any())
    assert out[1].mean() == pytest.approx(100, abs=1e-3)


def test_the_network_sees_minus_one_to_one(weights: Path) -> None:
    """(x − 128)/128: black is −1, white 127/128; features are flat."""
    pictures = torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)])
    features = open_inception(weights).describe(pictures)
    assert features.shape == (2, 12)
    assert features[0].tolist() == pytest.approx([-1] * 12)
    assert features[1].tolist() == pytest.approx([127 / 128] * 12, abs=1e-5)
