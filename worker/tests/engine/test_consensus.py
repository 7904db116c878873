"""The picture that drawings agree on."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from worker.engine.consensus import agreed, consensus, stand_in
from worker.engine.setting import Setting
from worker.tests import tiny

NAMED = {"fox": tiny.TARGETS["fox"], "bell": tiny.TARGETS["bell"]}


@pytest.fixture
def drawings() -> Tensor:
    """Three shades of one gradient, and a chequered picture: 4×3×32×32."""
    ramp = torch.linspace(0, 1, 32).expand(3, 32, 32)
    chequered = (torch.arange(32) // 4 % 2).float()
    return torch.stack([ramp, ramp * 0.98, (chequered[:, None] != chequered).float().expand(3, -1, -1), ramp * 0.96])


def near(setting: Setting, threshold: float) -> Setting:
    """Copies from that similarity on."""
    return replace(setting, descriptor=replace(setting.descriptor, threshold=threshold))


def test_the_medoid_is_the_one_the_others_resemble(setting: Setting, drawings: Tensor) -> None:
    """The middle shade, with the two others its copies; the chequered picture is nobody's."""
    found = agreed(near(setting, 0.99), drawings)
    assert any(torch.equal(found.picture, drawings[i]) for i in (0, 1, 3))
    assert (found.support, found.of) == (2, 3)
    assert found.found


def test_drawings_that_do_not_agree_have_no_consensus(setting: Setting, drawings: Tensor) -> None:
    """Where nothing is a copy, 0 of 3 support the medoid; it does not speak for itself."""
    found = agreed(near(setting, 2.0), drawings)
    assert (found.support, found.found) == (0, False)
    with pytest.raises(ValueError, match="fox: 0 of 3 other drawings agree"):
        stand_in("fox", "target", "a red fox asleep", found)


def test_half_of_the_others_must_agree(setting: Setting, drawings: Tensor) -> None:
    """
    k = 1 of S = 2 is a half: of three other drawings two must be copies
    two shades of one gradient beside two unlike pictures: the medoid has one copy, which is not enough
    """
    noise = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    pair = torch.cat([drawings[:2], noise * torch.tensor([1.0, 0.2]).view(2, 1, 1, 1)])
    found = agreed(near(setting, 0.999), pair)
    assert (found.support, found.of, found.found) == (1, 3, False)


def test_it_stands_in_for_the_image(setting: Setting, drawings: Tensor) -> None:
    """An item like any other, with the medoid as its picture."""
    found = agreed(near(setting, 0.99), drawings)
    item = stand_in("fox", "target", "a red fox asleep", found)
    assert torch.equal(item.picture, found.picture)
    assert (item.id, item.role, item.prompt) == ("fox", "target", "a red fox asleep")


def test_it_depends_on_its_own_id_and_prompt_alone(setting: Setting) -> None:
    """Among others or alone, and not on the noise that is judged later."""
    together, alone = consensus(setting, NAMED), consensus(setting, {"bell": NAMED["bell"]})
    torch.testing.assert_close(together["bell"].picture, alone["bell"].picture, atol=1 / 255, rtol=0)
    assert together["bell"].of == setting.effort.images - 1


def test_one_drawing_agrees_with_nobody(setting: Setting) -> None:
    """Two at least."""
    with pytest.raises(ValueError, match="agrees with nobody"):
        consensus(setting, NAMED, images=1)
