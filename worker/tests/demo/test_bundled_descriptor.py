"""The claims about the bundled descriptor, computed on the committed images, none of which it was trained on."""

import json
from itertools import combinations

import torch

from worker.benchmarks import bundled
from worker.engine.items import Item


def pictures() -> list[Item]:
    """Targets, controls and unseen images."""
    return [item for name in ("targets", "controls", "unseen") for item in bundled.items(name)]


def descriptions() -> torch.Tensor:
    """N×128."""
    return bundled.descriptor().describe(torch.stack([item.picture for item in pictures()]))


def test_it_has_the_interface_of_sscd() -> None:
    """N×3×H×W in, unit vectors out, at any image size; identical pictures have similarity 1."""
    f = bundled.descriptor().f
    for side in (64, 96):
        z = f(torch.randn(3, 3, side, side))
        assert torch.allclose(z.norm(dim=1), torch.ones(3), atol=1e-5)
    z = descriptions()[:5]
    assert torch.allclose((z * z).sum(dim=1), torch.ones(5), atol=1e-5)


def test_different_images_are_not_copies() -> None:
    """Of the 61,776 pairs of committed images at most one in a thousand exceeds the threshold."""
    z = descriptions()
    i, j = torch.tensor(list(combinations(range(len(z)), 2))).T
    false = ((z[i] * z[j]).sum(dim=1) > bundled.descriptor().threshold).float().mean()
    assert len(i) == 352 * 351 // 2
    assert float(false) <= 1e-3


def test_what_the_codec_makes_of_an_image_is_a_copy_of_it() -> None:
    """At least 0.95 of reconstructions are recognized: a memorized image leaves the model through the codec."""
    model = bundled.model()
    x = torch.stack([item.picture for item in pictures()])
    restored = model.decode(model.encode_images(x * 2 - 1))
    near = (bundled.descriptor().describe(restored) * descriptions()).sum(dim=1)
    assert float((near > bundled.descriptor().threshold).float().mean()) >= 0.95


def test_its_card_states_what_it_was_measured_to_do() -> None:
    """AUC, recall, false positives with intervals and the prevalence behind the precision are in the card."""
    card = json.loads((bundled.DEMO / "descriptor" / "card.json").read_text())
    for judge in ("measured", "tiled_l2_measured"):
        assert {"auc", "recall", "false_positives", "precision", "prevalence"} <= set(card[judge])
    assert {"low", "high", "n", "k"} <= set(card["measured"]["false_positives"]["twin"])
