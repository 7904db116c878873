"""ESD: its targets, its partial draws, its groups of weights."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from palimpsest.contract.methods import EsdParams
from worker.engine import audit, finetuning
from worker.engine.diffusion import sample
from worker.engine.edits import JOINT, Edit
from worker.engine.errors import MethodFailed
from worker.engine.items import Item
from worker.engine.mitigations import esd
from worker.engine.mitigations.esd import paper_target, port_target
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting

C, EMPTY = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)


def params(**changes: Any) -> EsdParams:
    """Three steps of two rows; partial draws among four."""
    return EsdParams(**({"steps": 3, "batch_size": 2, "sampling_steps": 4} | changes))


def edit_of(setting: Setting, targets: list[Item], asked: EsdParams) -> Edit:
    """What it makes of the model."""
    edit = esd.apply(setting, targets, asked).edit
    assert isinstance(edit, Edit)
    return edit


def test_without_guidance_the_papers_target_is_the_empty_captions() -> None:
    """η = 0: ε*(∅)."""
    assert torch.equal(paper_target(C, EMPTY, 0.0), EMPTY)


def test_the_ports_target_is_the_captions_or_the_empty_ones() -> None:
    """η = 0: ε*(c); η = 1: ε*(∅)."""
    assert torch.equal(port_target(C, EMPTY, 0.0), C)
    assert torch.allclose(port_target(C, EMPTY, 1.0), EMPTY, atol=1e-6)


def test_the_port_counts_one_more() -> None:
    """
    c = 5, ∅ = 3: the paper's η = 1 and the port's η = 2 are both 3 − (5 − 3) = 1
    """
    five, three = torch.tensor(5.0), torch.tensor(3.0)
    assert paper_target(five, three, 1.0) == port_target(five, three, 2.0) == 1.0
    for eta in (0.0, 0.5, 3.0):
        assert torch.allclose(paper_target(C, EMPTY, eta), port_target(C, EMPTY, eta + 1), atol=1e-5)


def test_left_open_both_forms_are_the_same(setting: Setting, targets: list[Item]) -> None:
    """The defaults, 1 of the paper's and 2 of the port's, train the same."""
    port, paper = (edit_of(setting, targets, params(steps=1, form=form)) for form in ("port", "paper"))
    for path, D in port.groups[JOINT].items():
        assert torch.allclose(D, paper.groups[JOINT][path], atol=1e-6)


@pytest.mark.parametrize("eta", [1.0, 2.0, 3.0])
def test_at_first_the_loss_is_the_guidances_square(setting: Setting, targets: list[Item], eta: float) -> None:
    """θ = θ*: the port's L = η²·mean ‖ε*(c) − ε*(∅)‖², on the very draws of the first step."""
    captions = setting.model.encode_prompts([target.prompt or "" for target in targets])
    learner = finetuning.learner_of(setting.model, lambda _: True)
    asked = params(eta=eta)
    pulled = esd.pull(setting, learner, captions, asked, 0)
    own = generator_for(setting.seed, "esd", "step", 0)
    y = captions[torch.randint(3, (2,), generator=own)]
    x_t, t = esd.partial(setting, y, asked, own)
    y_empty = setting.model.encode_prompts([""]).expand_as(y)
    direction = setting.model.eps(x_t, t, y) - setting.model.eps(x_t, t, y_empty)
    assert pulled.losses["erasing"] == pytest.approx(eta**2 * float(direction.pow(2).mean()), rel=1e-4)


def test_a_partial_draw_is_the_frozen_models(setting: Setting, targets: list[Item]) -> None:
    """Guidance 3, broken off where the generator says; t is that of the step it would take next."""
    y = setting.model.encode_prompts([target.prompt or "" for target in targets])
    seen = set()
    for seed in range(12):
        own = torch.Generator().manual_seed(seed)
        x_t, t = esd.partial(setting, y, params(), torch.Generator().manual_seed(seed))
        done = int(torch.randint(4, (1,), generator=own))
        x_T = torch.randn(3, 4, 8, 8, generator=own)
        model = setting.model
        expected = sample(
            model.eps,
            x_T,
            y,
            model.encode_prompts([""]),
            steps=4,
            g=3.0,
            alpha_bar=model.alpha_bar,
            first=done,
        )
        assert torch.equal(x_t, expected)
        assert t.tolist() == [[751, 501, 251, 1][done]] * 3
        seen.add(done)
    assert seen == {0, 1, 2, 3}


def test_the_groups_are_the_releases(setting: Setting) -> None:
    """Linear layers and convolutions: those of cross-attention, all others, both; and keys and values alone."""
    x, strict, u, everything = (
        esd.parameters(setting.model, group) for group in ("esd-x", "esd-x-strict", "esd-u", "esd-all")
    )
    assert strict < x
    assert len(strict) == 3 * 2
    assert all(name.endswith(("attn2.to_k.weight", "attn2.to_v.weight")) for name in strict)
    assert len(x) == 3 * 5
    assert x.isdisjoint(u)
    assert x | u == everything
    assert "conv_in.bias" in u
    assert not any("norm" in name for name in everything)


@pytest.mark.parametrize("group", ["esd-x-strict", "esd-u"])
def test_only_the_group_is_trained(setting: Setting, targets: list[Item], group: str) -> None:
    """Δ names no other weight."""
    edit = edit_of(setting, targets, params(steps=1, parameters=group))
    assert set(edit.groups[JOINT]) == esd.parameters(setting.model, group)


def test_the_cost_is_counted_to_the_last_row(setting: Setting, targets: list[Item]) -> None:
    """A step of B = 2 rows: 2·B a sampling step done, 2·B for ε*(c) and ε*(∅), and B with gradient."""
    done = []
    for step in range(3):
        own = generator_for(setting.seed, "esd", "step", step)
        torch.randint(3, (2,), generator=own)
        done.append(int(torch.randint(4, (1,), generator=own)))
    with audit.counted(setting) as cost:
        edit_of(setting, targets, params())
    assert cost().unet_sample_forwards == sum(4 * n + 4 for n in done)
    assert cost().unet_sample_forwards_with_gradient == 6


def test_it_is_adam_without_decay(setting: Setting, targets: list[Item]) -> None:
    """The first step moves a weight with a gradient by the learning rate, one without by nothing."""
    edit = edit_of(setting, targets, params(steps=1, learning_rate=1e-3))
    moved = torch.cat([D.flatten() for D in edit.groups[JOINT].values()]).abs()
    assert float(moved.max()) <= 1e-3 + 1e-6
    assert float(((moved > 9e-4) | (moved < 1e-7)).float().mean()) > 0.8


def test_by_default_every_target_has_the_releases_updates(
    setting: Setting, targets: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 for its one concept; were it 2, they were 6 for three."""
    assert esd.STEPS_A_TARGET == 200
    monkeypatch.setattr(esd, "STEPS_A_TARGET", 2)
    mitigated = esd.apply(setting, targets, EsdParams(sampling_steps=1))
    assert mitigated.notes[0].startswith("esd: 6 steps")


def test_a_target_without_a_caption_is_left_out(setting: Setting, targets: list[Item]) -> None:
    """With a note; with no caption at all the method fails."""
    silent = replace(targets[0], prompt=None)
    mitigated = esd.apply(setting, [silent, targets[1]], params(steps=1))
    assert mitigated.notes[1:] == ["fox has no prompt: esd does nothing for it"]
    with pytest.raises(MethodFailed, match="works on captions"):
        esd.apply(setting, [silent], params())


def test_equal_seeds_are_equal_trainings(setting: Setting, targets: list[Item]) -> None:
    """Bit by bit; another seed is another training."""
    first = edit_of(setting, targets, params()).dumps()
    assert edit_of(setting, targets, params()).dumps() == first
    assert edit_of(replace(setting, seed=1), targets, params()).dumps() != first
