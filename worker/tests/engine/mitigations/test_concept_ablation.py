"""Concept Ablation: what it aims at, what it keeps."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from palimpsest.contract.methods import ConceptAblationParams
from worker.engine import audit, finetuning, own_draws
from worker.engine.diffusion import denoising_loss, q_sample
from worker.engine.edits import JOINT, Edit
from worker.engine.errors import MethodFailed
from worker.engine.finetuning import Learner, Pull
from worker.engine.items import Item
from worker.engine.mitigations import concept_ablation
from worker.engine.own_draws import StandIns
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting


def params(**changes: Any) -> ConceptAblationParams:
    """Two steps of three rows, two anchors a target."""
    return ConceptAblationParams(**({"steps": 2, "batch_size": 3, "anchors": 2} | changes))


@pytest.fixture
def captions(setting: Setting, targets: list[Item]) -> Tensor:
    """y of the memorized captions."""
    return setting.model.encode_prompts([target.prompt or "" for target in targets])


@pytest.fixture
def anchors(setting: Setting, targets: list[Item]) -> StandIns:
    """Two a target."""
    return own_draws.stand_ins(setting, targets, 2)


@pytest.fixture
def learner(setting: Setting) -> Learner:
    """A copy all of whose weights learn."""
    return finetuning.learner_of(setting.model, lambda _: True)


def drawn(own: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Which target and anchor, t and ε, as a step draws them."""
    i, k = torch.randint(3, (3,), generator=own), torch.randint(2, (3,), generator=own)
    return i, k, torch.randint(1000, (3,), generator=own), torch.randn(3, 4, 8, 8, generator=own)


def test_a_caption_that_is_its_own_anchor_pulls_at_nothing(
    setting: Setting, learner: Learner, captions: Tensor, anchors: StandIns
) -> None:
    """c = c*: both predictions are one, the loss and its gradient 0."""
    same = replace(anchors, y=captions.unsqueeze(1).expand(-1, 2, -1, -1))
    pulled = concept_ablation.pull(setting, learner, captions, same, params(prior_weight=0.0), 0)
    assert pulled.losses == {"ablation": 0.0}
    assert all(g is not None and g.eq(0).all() for g in pulled.gradients)


@pytest.mark.parametrize("form", ["model", "noise"])
def test_the_ablation_loss_by_its_formula(
    setting: Setting, learner: Learner, captions: Tensor, anchors: StandIns, form: str
) -> None:
    """‖ε_θ(x_t, t, c*) − ε_θ(x_t, t, c)‖², or − ε; x_t noised from the anchor's picture, the aim without gradient."""
    pulled = concept_ablation.pull(setting, learner, captions, anchors, params(form=form, prior_weight=0.0), 0)
    i, k, t, eps = drawn(generator_for(setting.seed, "concept_ablation", "step", 0))
    x_t = q_sample(anchors.x_0[i, k], t, eps, learner.alpha_bar)
    aim = learner.eps(x_t, t, anchors.y[i, k]).detach() if form == "model" else eps
    loss = (learner.eps(x_t, t, captions[i]) - aim).pow(2).mean()
    assert pulled.losses["ablation"] == pytest.approx(loss.item(), rel=1e-5)
    expected = torch.autograd.grad(loss, list(learner.theta.values()))
    for found, g in zip(pulled.gradients, expected, strict=True):
        assert found is not None
        assert torch.allclose(found, g, atol=1e-6)


def test_the_prior_is_the_anchors_own_denoising_loss(
    setting: Setting, learner: Learner, captions: Tensor, anchors: StandIns
) -> None:
    """w = 2 adds twice the loss and the gradient of rows of its own."""

    def pull(weight: float) -> Pull:
        return concept_ablation.pull(setting, learner, captions, anchors, params(prior_weight=weight), 0)

    without, with_it = pull(0.0), pull(2.0)
    own = generator_for(setting.seed, "concept_ablation", "step", 0)
    drawn(own)
    i, k, t, eps = drawn(own)
    loss = denoising_loss(learner.eps, anchors.x_0[i, k], anchors.y[i, k], t, eps, learner.alpha_bar).mean()
    assert with_it.losses["ablation"] == without.losses["ablation"]
    assert with_it.losses["prior"] == pytest.approx(2 * loss.item(), rel=1e-5)
    expected = torch.autograd.grad(2 * loss, list(learner.theta.values()))
    for both, one, g in zip(with_it.gradients, without.gradients, expected, strict=True):
        assert both is not None
        assert one is not None
        assert torch.allclose(both - one, g, atol=1e-5)


@pytest.mark.parametrize(("weight", "with_gradient"), [(1.0, 12), (0.0, 6)])
def test_the_cost_is_counted_to_the_last_row(
    setting: Setting, targets: list[Item], weight: float, with_gradient: int
) -> None:
    """
    drawing: 3 targets · 2·2 candidates · 2 steps · 2 halves = 48
    two steps of 3 rows: 3 without gradient for the anchors, 3 with it for the captions, 3 more for the prior if any
    """
    with audit.counted(setting) as cost:
        concept_ablation.apply(setting, targets, params(prior_weight=weight))
    assert cost().unet_sample_forwards == 48 + 6
    assert cost().unet_sample_forwards_with_gradient == with_gradient


def test_the_noise_form_needs_no_word_for_the_anchor(setting: Setting, targets: list[Item]) -> None:
    """Its two steps cost no pass without gradient beyond the drawing."""
    with audit.counted(setting) as cost:
        concept_ablation.apply(setting, targets, params(form="noise"))
    assert cost().unet_sample_forwards == 48


@pytest.mark.parametrize(("group", "n"), [("cross-attn", 6), ("full-weight", None)])
def test_the_group_is_trained(setting: Setting, targets: list[Item], group: str, n: int | None) -> None:
    """Keys and values of the three cross-attentions, or every parameter."""
    edit = concept_ablation.apply(setting, targets, params(parameters=group)).edit
    assert isinstance(edit, Edit)
    names = set(edit.groups[JOINT])
    assert len(names) == (n or len(setting.model.unet.state_dict()))
    assert group == "full-weight" or all("attn2.to_k" in name or "attn2.to_v" in name for name in names)


def test_by_default_every_target_has_the_releases_updates(
    setting: Setting, targets: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    """400 for its one concept; were it 2, they were 6 for three."""
    assert concept_ablation.STEPS_A_TARGET == 400
    monkeypatch.setattr(concept_ablation, "STEPS_A_TARGET", 2)
    mitigated = concept_ablation.apply(setting, targets, ConceptAblationParams(batch_size=1, anchors=1))
    assert mitigated.notes[0].startswith("concept_ablation: 6 steps")


def test_a_target_without_a_caption_is_left_out(setting: Setting, targets: list[Item]) -> None:
    """With a note; with no caption at all the method fails."""
    silent = replace(targets[0], prompt=None)
    mitigated = concept_ablation.apply(setting, [silent, targets[1]], params())
    assert mitigated.notes[2:] == ["fox has no prompt: concept_ablation does nothing for it"]
    with pytest.raises(MethodFailed, match="works on captions"):
        concept_ablation.apply(setting, [silent], params())


def test_equal_seeds_are_equal_trainings(setting: Setting, targets: list[Item]) -> None:
    """Bit by bit; another seed is another training."""

    def content(seed: int) -> bytes:
        edit = concept_ablation.apply(replace(setting, seed=seed), targets, params()).edit
        assert isinstance(edit, Edit)
        return edit.dumps()

    first = content(0)
    assert content(0) == first
    assert content(1) != first
