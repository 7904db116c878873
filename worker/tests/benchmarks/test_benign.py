"""Benign fine-tuning starts from the mitigated weights, and ends in one delta from the original ones."""

import torch

from worker.benchmarks import benign
from worker.engine.edits import DELTA, JOINT, Edit, as_delta
from worker.engine.items import Item
from worker.engine.setting import Setting
from worker.tests import tiny

LAYER = next(iter(tiny.VALUE_LAYERS))


def neurons_off() -> Edit:
    """Every second value neuron of the first layer."""
    off = torch.arange(8) % 2 == 0
    return Edit("neurons", {JOINT: {LAYER: off}}, 8)


def test_no_step_leaves_the_mitigation_as_it_is(setting: Setting, controls: list[Item]) -> None:
    """Δ is −W where a neuron is off, and 0 for every other weight of the denoiser."""
    edit = benign.tuned(setting, neurons_off(), controls, steps=0)
    assert edit.what == DELTA
    assert set(edit.groups[JOINT]) == {name for name, _ in setting.model.unet.named_parameters()}
    W = setting.model.unet.get_parameter(f"{LAYER}.weight")
    assert torch.equal(edit.groups[JOINT][f"{LAYER}.weight"][0::2], -W[0::2])
    assert not edit.groups[JOINT][f"{LAYER}.weight"][1::2].any()
    assert not edit.groups[JOINT]["conv_in.weight"].any()


def test_steps_lower_the_loss_on_the_benign_pictures(setting: Setting, controls: list[Item]) -> None:
    """Thirty steps from the mitigated weights denoise the two pictures better than those weights do."""
    generator = torch.Generator().manual_seed(1)
    x_0 = setting.model.encode_images(torch.stack([item.picture for item in controls]) * 2 - 1)
    y = setting.model.encode_prompts([item.prompt or "" for item in controls])
    t, eps = torch.tensor([300, 700]), torch.randn(x_0.shape, generator=generator)
    a = setting.model.alpha_bar[t].view(-1, 1, 1, 1)
    x_t = a.sqrt() * x_0 + (1 - a).sqrt() * eps

    def loss(edit: Edit) -> float:
        with torch.no_grad(), setting.model.edited(edit):
            return float((eps - setting.model.eps(x_t, t, y)).pow(2).mean())

    assert loss(benign.tuned(setting, neurons_off(), controls, steps=30)) < loss(neurons_off())


def test_a_pruned_weight_may_grow_again(setting: Setting, controls: list[Item]) -> None:
    """After a step, W + Δ is no longer 0 where a neuron was off: nothing holds it down."""
    edit = benign.tuned(setting, neurons_off(), controls, steps=1)
    pruned = as_delta(setting.model.unet, neurons_off()).groups[JOINT][f"{LAYER}.weight"]
    assert not torch.equal(edit.groups[JOINT][f"{LAYER}.weight"][0::2], pruned[0::2])
