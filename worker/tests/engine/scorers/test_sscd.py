"""The descriptor: its identity, and what it says of equal pictures."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch

from worker.engine.errors import JudgeRefused
from worker.engine.items import Item
from worker.engine.scorers.sscd import DEVIATION, MEAN, Descriptor, open_descriptor, similarity
from worker.tests import tiny


def test_descriptions_have_unit_length(descriptor: Descriptor) -> None:
    """‖f‖ = 1, so that the dot product is the cosine."""
    assert descriptor.describe(torch.rand(5, 3, 32, 32)).norm(dim=1).tolist() == pytest.approx([1.0] * 5)


def test_a_picture_is_its_own_copy(descriptor: Descriptor, targets: list[Item]) -> None:
    """s(a, a) = 1 and s(a, b) < 1, whatever else is in the batch."""
    pictures = torch.stack([target.picture for target in targets])
    near = similarity(descriptor, pictures, targets[1].picture)
    assert float(near[1]) == pytest.approx(1.0, abs=1e-5)
    assert float(near[0]) < 0.99
    assert torch.allclose(near[2], similarity(descriptor, pictures[2:], targets[1].picture)[0], atol=1e-5)


def test_every_picture_is_normalized_as_imagenet_is(descriptor: Descriptor, targets: list[Item]) -> None:
    """f((x − mean)/deviation), channel by channel."""
    x = targets[0].picture[None]
    channels = [(x[:, c] - MEAN[c]) / DEVIATION[c] for c in range(3)]
    assert torch.allclose(descriptor.describe(x), descriptor.f(torch.stack(channels, dim=1)), atol=1e-6)


def test_other_sizes_are_squeezed_to_the_cards(descriptor: Descriptor) -> None:
    """A flat picture is the same picture at 32, 64 and 48×80 pixels."""
    flat = [torch.full((1, 3, *size), 0.3) for size in ((32, 32), (64, 64), (48, 80))]
    first, *others = (descriptor.describe(x) for x in flat)
    assert all(torch.allclose(first, other, atol=1e-5) for other in others)
    assert "32×32" in descriptor.preprocessing


def test_the_card_says_what_the_file_is(demo: Path, descriptor: Descriptor) -> None:
    """Digest, side and both thresholds are the card's."""
    content = (demo / "descriptor" / "descriptor.pt").read_bytes()
    assert descriptor.digest == hashlib.sha256(content).hexdigest()
    assert (descriptor.side, descriptor.threshold, descriptor.tiled_l2_threshold) == (tiny.SIDE, 0.5, 0.15)
    assert descriptor.false_positive_bound == 0.01


def test_another_file_than_the_cards_is_refused(demo: Path, tmp_path: Path) -> None:
    """One byte more is another judge."""
    folder = tmp_path / "descriptor"
    shutil.copytree(demo / "descriptor", folder)
    with (folder / "descriptor.pt").open("ab") as file:
        file.write(b"\0")
    stated = json.loads((folder / "card.json").read_text())["sha256"]
    with pytest.raises(JudgeRefused, match=f"its card says {stated}"):
        open_descriptor(folder / "card.json")
