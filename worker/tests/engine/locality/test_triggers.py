"""Several triggers of one image."""

import pytest
import torch

from palimpsest.contract.methods import AdversarialEmbeddingParams, LocalityParams
from worker.engine.edits import JOINT
from worker.engine.errors import MethodFailed
from worker.engine.items import Item, Trial
from worker.engine.locality.triggers import find
from worker.engine.probes import adversarial_embedding
from worker.engine.setting import Setting


def test_every_image_is_searched_as_often_as_asked(
    generous: Setting, targets: list[Item], params: LocalityParams
) -> None:
    """Three of each, all different, each about 2 · η from its start at most, in every entry."""
    found = find(generous, targets, "gaussian", params)
    assert found.images == [name for name in ("fox", "kite", "bell") for _ in range(3)]
    assert (found.tried, found.found, found.comparable) == (9, 9, True)
    assert len({tuple(y.flatten().tolist()) for y in found.y_0}) == 9
    moved = (found.y - found.y_0).abs()
    assert float(moved.max()) < 0.21
    assert bool((moved.flatten(1).amax(dim=1) > 0.05).all())


def test_a_trigger_is_what_the_probe_finds(generous: Setting, targets: list[Item], params: LocalityParams) -> None:
    """The same as asking the probe for an item of that name, without early stop; found again, it is the same."""
    found = find(generous, targets[:1], "other_prompt", params)
    asked = AdversarialEmbeddingParams(
        id="locality", starts=["other_prompt"], steps=2, batch_size=2, restarts=1, early_stop=False
    )
    numbered = Item("fox/1", "target", targets[0].prompt, targets[0].picture)
    [answer] = adversarial_embedding.run(generous, [Trial(numbered, JOINT, None)], asked)
    assert answer is not None
    assert answer.embedding is not None
    assert torch.allclose(found.y[1], answer.embedding, atol=1e-4)
    assert torch.equal(find(generous, targets[:1], "other_prompt", params).y, found.y)


def test_what_does_not_trigger_is_no_trigger(setting: Setting, targets: list[Item], params: LocalityParams) -> None:
    """No picture is a copy: there is nothing to locate, and that is said."""
    with pytest.raises(MethodFailed, match="no search from a gaussian start found a trigger"):
        find(setting, targets, "gaussian", params)


def test_two_images_are_needed_and_two_triggers_of_one(
    generous: Setting, targets: list[Item], params: LocalityParams
) -> None:
    """One image alone cannot be compared."""
    assert not find(generous, targets[:1], "gaussian", params).comparable
