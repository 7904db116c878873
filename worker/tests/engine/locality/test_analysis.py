"""The three indications together."""

import pytest

from palimpsest.contract.methods import LocalityParams
from worker.engine.errors import MethodFailed
from worker.engine.items import Item
from worker.engine.locality.analysis import Locality, analyse
from worker.engine.setting import Setting
from worker.tests import tiny


def test_all_three_for_every_start_and_layer(analysed: Locality) -> None:
    """Two kinds of start; three layers a method; two reductions; two units between methods."""
    assert [(s.start, s.tried, s.found, s.images) for s in analysed.searched] == [
        ("gaussian", 9, 9, 3),
        ("other_prompt", 9, 9, 3),
    ]
    layers = len(tiny.VALUE_LAYERS) + len(tiny.FEEDFORWARD_LAYERS)
    assert len(analysed.spread) == 2
    assert len(analysed.divergence) == 2 * layers * 2
    assert len(analysed.agreement) == 2 * layers
    assert len(analysed.between) == 2 * len(tiny.VALUE_LAYERS)


def test_the_same_request_has_the_same_answer(
    generous: Setting, targets: list[Item], params: LocalityParams, analysed: Locality
) -> None:
    """Every number, p included; and it survives being written down."""
    assert analyse(generous, targets, params) == analysed
    assert Locality.model_validate_json(analysed.model_dump_json()) == analysed


def test_the_model_is_left_as_it_is(generous: Setting, targets: list[Item], params: LocalityParams) -> None:
    """No parameter has changed and no hook has stayed."""
    before = {name: weight.clone() for name, weight in generous.model.unet.state_dict().items()}
    analyse(generous, targets[:2], params)
    assert all((weight == before[name]).all() for name, weight in generous.model.unet.state_dict().items())
    assert not any(module._forward_pre_hooks for module in generous.model.unet.modules())


def test_one_target_cannot_be_compared(generous: Setting, targets: list[Item], params: LocalityParams) -> None:
    """Locality is about whose triggers they are."""
    with pytest.raises(MethodFailed, match="two targets or more"):
        analyse(generous, targets[:1], params)


def test_one_trigger_of_each_image_cannot_either(
    generous: Setting, targets: list[Item], params: LocalityParams
) -> None:
    """There is no pair of one image."""
    once = params.model_copy(update={"triggers": 1})
    with pytest.raises(MethodFailed, match="two of one image and one of another"):
        analyse(generous, targets, once)
