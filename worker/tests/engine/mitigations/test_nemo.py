"""NeMo: its statistic, its search driven by hand, and the whole of it on a model whose noise converges."""

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from palimpsest.contract.methods import NemoParams
from worker.engine.edits import JOINT, Masks
from worker.engine.errors import MethodFailed
from worker.engine.items import Item
from worker.engine.mitigations import nemo
from worker.engine.mitigations.nemo import HoldOut
from worker.engine.model import DiffusionModel
from worker.engine.seeds import noise
from worker.engine.setting import Setting
from worker.tests import tiny

Result = TypeVar("Result")


@pytest.fixture(scope="module")
def converging(demo: Path) -> DiffusionModel:
    """The tiny model, deaf to its noise and shouting: its prediction depends on the prompt, as if memorized."""
    model = DiffusionModel.load(demo / "model")
    with torch.no_grad():
        model.unet.get_parameter("conv_in.weight").mul_(0.01)
        model.unet.get_parameter("conv_out.weight").mul_(300)
        for path, weight in model.unet.named_parameters():
            if path.endswith("attn2.to_out.0.weight"):
                weight.mul_(100)
    return model


@pytest.fixture
def memorized(setting: Setting, converging: DiffusionModel) -> Setting:
    """An audit of that model."""
    return replace(setting, model=converging)


def drive(
    search: Generator[Masks, float, Result], s: Callable[[Masks], float]
) -> tuple[Result, list[tuple[Masks, float]]]:
    """Answer every question a search has; what it returns, and what was asked and answered."""
    log = []
    asked = next(search)
    while True:
        copied = {path: mask.clone() for path, mask in asked.items()}
        log.append((copied, s(copied)))
        try:
            asked = search.send(log[-1][1])
        except StopIteration as finished:
            return finished.value, log


def off(masks: Masks) -> set[tuple[str, int]]:
    """The neurons of a set, by layer and place."""
    return {(path, n) for path, mask in masks.items() for n in mask.nonzero().flatten().tolist()}


def flags(*on: int, width: int = 4) -> Tensor:
    """A mask with these places on."""
    mask = torch.zeros(width, dtype=torch.bool)
    mask[list(on)] = True
    return mask


def test_candidates_by_hand() -> None:
    """
    a = [1, 5, 2, 9], μ = [1, 1, 1, 8], σ = [1, 1, ½, 1]   →   |a − μ|/σ = [0, 4, 2, 1]
    θ = 1.5 takes places 1 and 2; the most active neuron is place 3, the second most place 1
    """
    a, mu, sigma = torch.tensor([1.0, 5, 2, 9]), torch.tensor([1.0, 1, 1, 8]), torch.tensor([1.0, 1, 0.5, 1])

    def chosen(theta: float, k: int) -> list[int]:
        return nemo.candidates(a, mu, sigma, theta, k).nonzero().flatten().tolist()

    assert chosen(1.5, 0) == [1, 2]
    assert chosen(1.5, 1) == [1, 2, 3]
    assert chosen(1.5, 2) == [1, 2, 3]
    assert chosen(2.0, 0) == [1]
    assert chosen(9.0, 9) == [0, 1, 2, 3]


def test_unusually_quiet_neurons_are_candidates_too() -> None:
    """|0 − 4|/1 = 4 > 3: the deviation's sign does not matter."""
    assert nemo.candidates(torch.tensor([0.0]), torch.tensor([4.0]), torch.tensor([1.0]), 3.0, 0).tolist() == [True]


def test_the_statistic_is_what_the_layers_put_out(setting: Setting) -> None:
    """Mean over 20 tokens of |W_V y|, read off while the U-Net runs: the same at every t and from every noise."""
    prompts = list(tiny.TARGETS.values())
    said = nemo.activations(setting, prompts)
    y = setting.model.encode_prompts(prompts)
    for t, seed in ((981, 0), (1, 1)):
        seen: dict[str, Tensor] = {}

        def read(path: str) -> Callable[[nn.Module, object, Tensor], None]:
            return lambda module, inputs, out: seen.update({path: out.abs().mean(dim=1)})  # noqa: B023

        hooks = [layer.register_forward_hook(read(path)) for path, layer in setting.model.value_layers().items()]
        x_t = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(seed))
        setting.model.eps(x_t, torch.full((3,), t), y)
        for hook in hooks:
            hook.remove()
        assert list(said) == list(seen)
        assert all(torch.allclose(said[path], seen[path], atol=1e-6) for path in said)


def test_the_statistic_needs_no_pass_through_the_denoiser(setting: Setting) -> None:
    """Neither forwards nor another audit's seed change it."""
    before = setting.model.work.forwards
    one = nemo.activations(setting, ["a fox"])
    other = nemo.activations(replace(setting, seed=9), ["a fox"])
    assert setting.model.work.forwards == before
    assert all(torch.equal(one[path], other[path]) for path in one)


def test_the_score_compares_the_change_of_the_initial_noise(setting: Setting) -> None:
    """δ = ε_θ(x_T, t_0, y) − x_T at the first of 2 timesteps, 501; every channel from 0 to 1, without guidance."""
    y = setting.model.encode_prompts(["a fox", "a kite"])
    delta = nemo.noise_differences(setting, y, 3)
    assert delta.shape == (2, 3, 4, 8, 8)
    assert torch.equal(delta.amin(dim=(3, 4)), torch.zeros(2, 3, 4))
    assert torch.equal(delta.amax(dim=(3, 4)), torch.ones(2, 3, 4))
    x_T = noise((4, 8, 8), [("nemo", 2)], setting.seed)
    raw = (setting.model.eps(x_T, torch.tensor([501]), y[1:]) - x_T)[0]
    low, high = raw.amin(dim=(1, 2), keepdim=True), raw.amax(dim=(1, 2), keepdim=True)
    assert torch.allclose(delta[1, 2], (raw - low) / (high - low), atol=1e-5)


def test_a_threshold_that_is_given_is_taken(setting: Setting) -> None:
    """Without one it is the mean plus one deviation between 4 seeds of the neutral prompts."""
    assert nemo.measure_hold_out(setting, NemoParams(similarity=0.428)).tau_mem == 0.428
    between = nemo.seed_similarities(setting, tiny.NEUTRAL, 4)
    assert len(between) == len(tiny.NEUTRAL) * 6
    calibrated = nemo.measure_hold_out(setting, NemoParams()).tau_mem
    assert calibrated == pytest.approx(float(between.mean() + between.std()))


def test_hold_out_statistics_are_over_prompts(setting: Setting) -> None:
    """μ and the unbiased σ of every neuron over the 6 neutral prompts."""
    said = nemo.measure_hold_out(setting, NemoParams(similarity=0.5))
    for path, a in nemo.activations(setting, tiny.NEUTRAL).items():
        assert torch.allclose(said.mu[path], a.mean(dim=0))
        assert torch.allclose(said.sigma[path], a.std(dim=0, correction=1))


def wide(width: int = 20) -> tuple[Masks, HoldOut]:
    """One layer, neuron n being 0.25 n + 0.1 deviations from its mean, and a threshold of 0.4."""
    a = {"layer": torch.arange(width) * 0.25 + 0.1}
    return a, HoldOut({"layer": torch.zeros(width)}, {"layer": torch.ones(width)}, tau_mem=0.4)


def test_sixteen_selections_are_tried_and_no_more() -> None:
    """
    θ = 5, 4.75, …, 1.25 with k = 0, 1, …, 15; θ = 1 is never evaluated, and the last s becomes the threshold
    θ = 1.25 takes the neurons with .25 n + .1 > 1.25, n = 5 … 19; the 15 most active are the same
    """
    a, hold_out = wide()
    (chosen, tau), log = drive(nemo.initial(a, hold_out, NemoParams()), lambda masks: 0.9 - 0.01 * len(off(masks)))
    assert len(log) == 16
    assert off(log[0][0]) == set()
    assert off(chosen) == off(log[-1][0]) == {("layer", n) for n in range(5, 20)}
    assert tau == log[-1][1] == pytest.approx(0.75)


def test_selection_ends_with_the_first_set_that_suffices() -> None:
    """s falls to τ_mem = .4 itself once two neurons are off, at θ = 4.5: "≤" is enough."""
    a, hold_out = wide()
    (chosen, tau), log = drive(
        nemo.initial(a, hold_out, NemoParams()), lambda masks: 0.4 if len(off(masks)) >= 2 else 0.9
    )
    assert len(log) == 3
    assert off(chosen) == {("layer", 18), ("layer", 19)}
    assert tau == 0.4


def test_selection_ends_when_k_reaches_the_widest_layer() -> None:
    """Three neurons: k = 0, 1, 2 are tried, k = 3 would be all of them."""
    a, hold_out = wide(3)
    _, log = drive(nemo.initial(a, hold_out, NemoParams()), lambda masks: 0.9)
    assert len(log) == 3


def test_the_schedule_of_theta_is_the_requests() -> None:
    """From 3 by 1 while above 1: θ = 3 and 2."""
    a, hold_out = wide()
    params = NemoParams(theta=3, theta_step=1, theta_min=1)
    _, log = drive(nemo.initial(a, hold_out, params), lambda masks: 0.9)
    assert len(log) == 2


NEEDED = {("down", 1), ("mid", 0)}


def needs(masks: Masks) -> float:
    """Converges unless both needed neurons are off."""
    return 0.2 if off(masks) >= NEEDED else 0.9


def test_refinement_keeps_what_is_needed_and_nothing_else() -> None:
    """Layers are given back last to first, then neurons: "up" at once, then all but the two."""
    start = {"down": flags(0, 1, 3), "mid": flags(0, 2), "up": flags(1, 2)}
    kept, log = drive(nemo.refined(start, 0.4), needs)
    assert off(kept) == NEEDED
    assert [sorted(asked) for asked, _ in log[:3]] == [["down", "mid"], ["down"], ["mid"]]
    assert len(log) == 3 + 2 + 3
    assert off(start) == {("down", 0), ("down", 1), ("down", 3), ("mid", 0), ("mid", 2), ("up", 1), ("up", 2)}


def test_of_two_that_would_do_the_earlier_layers_stays() -> None:
    """Either neuron silences the noise; "mid" is asked about first and given back."""
    kept, _ = drive(nemo.refined({"down": flags(0), "mid": flags(0)}, 0.4), lambda masks: 0.2 if off(masks) else 0.9)
    assert off(kept) == {("down", 0)}


def test_at_the_threshold_nothing_is_given_back() -> None:
    """s = τ is not below τ."""
    kept, _ = drive(nemo.refined({"down": flags(0, 2)}, 0.4), lambda masks: 0.4)
    assert off(kept) == {("down", 0), ("down", 2)}


def test_layers_without_a_neuron_are_not_asked_about() -> None:
    """Only "mid" takes part: one question for the layer, one for its neuron."""
    _, log = drive(nemo.refined({"down": flags(), "mid": flags(3)}, 0.4), lambda masks: 0.9)
    assert len(log) == 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=12, max_size=12), st.floats(0.01, 0.99))
def test_refinement_is_minimal_where_more_off_is_never_worse(w: list[int], tau: float) -> None:
    """
    s(set) = 1 − Σ_{n in set} w_n / Σ w over three layers of four
    The result lies within the start, is below τ if anything was given back, and without any one of its neurons is not.
    """
    total = sum(w) or 1
    names = ["down", "mid", "up"]

    def s(masks: Masks) -> float:
        return 1 - sum(w[4 * names.index(path) + n] for path, n in sorted(off(masks))) / total

    start = {name: flags(0, 1, 2, 3) for name in names}
    kept, log = drive(nemo.refined(start, tau), s)
    assert off(kept) <= off(start)
    if off(kept) != off(start):
        assert s(kept) < tau
    for neuron in off(kept):
        asked_without = [answer for asked, answer in log if off(asked) == off(kept) - {neuron}]
        assert s({path: flags(*(n for p, n in off(kept) - {neuron} if p == path)) for path in kept}) >= tau
        assert all(answer >= tau for answer in asked_without)
    assert len(log) <= 3 + 12


def test_select_refines_only_when_asked() -> None:
    """The refined set lies within the selected one; without refinement the selected one is returned."""
    a = {"down": torch.tensor([9.0, 8.0, 0.0, 7.0]), "mid": torch.tensor([6.0, 0.0, 5.5, 0.0])}
    hold_out = HoldOut({p: torch.zeros(4) for p in a}, {p: torch.ones(4) for p in a}, tau_mem=0.4)
    whole, log = drive(nemo.select(a, hold_out, NemoParams(refine=False)), needs)
    assert (off(whole), len(log)) == ({("down", 0), ("down", 1), ("down", 3), ("mid", 0), ("mid", 2)}, 1)
    refined, _ = drive(nemo.select(a, hold_out, NemoParams()), needs)
    assert off(refined) == NEEDED


def test_a_union_holds_what_any_set_holds() -> None:
    """{0, 1} and {1, 3} of one layer, one other layer; the sets themselves stay as they are."""
    one, other = {"down": flags(0, 1)}, {"down": flags(1, 3), "mid": flags(2)}
    assert off(nemo.union([one, other, {}])) == {("down", 0), ("down", 1), ("down", 3), ("mid", 2)}
    assert off(one) == {("down", 0), ("down", 1)}
    assert nemo.union([{}, {}]) == {}


def test_seeds_count_when_they_resemble_any_other(memorized: Setting) -> None:
    """Identical δ of seeds 0 and 2 are memorized at any threshold below 1, an opposite one is not."""
    x = torch.rand(1, 4, 8, 8)
    assert nemo.memorized_seeds(memorized, torch.cat([x, 1 - x, x]), 0.5).tolist() == [True, False, True]


def test_a_model_that_memorizes_nothing_loses_nothing(setting: Setting, targets: list[Item]) -> None:
    """No two seeds converge: every target is named in a note, and its group is empty."""
    mitigated = nemo.apply(setting, targets, NemoParams(seeds=2, similarity=0.9))
    assert mitigated.edit is not None
    assert mitigated.edit.groups == {name: {} for name in tiny.TARGETS}
    assert mitigated.edit.size == 40
    for name in tiny.TARGETS:
        assert f"{name}: nemo finds no memorization and deactivates nothing" in mitigated.notes


PARAMS = NemoParams(seeds=4, similarity=0.5)


def test_neurons_are_found_that_silence_the_noise(memorized: Setting, targets: list[Item]) -> None:
    """With a target's neurons off its δ no longer resembles itself: s ≤ .5, from .999 and more without them."""
    mitigated = nemo.apply(memorized, targets, PARAMS)
    assert mitigated.edit is not None
    y = memorized.model.encode_prompts([target.prompt or "" for target in targets])
    unblocked = nemo.noise_differences(memorized, y, 4)
    kept = {i: nemo.memorized_seeds(memorized, unblocked[i], 0.5) for i in range(3)}
    groups = dict(enumerate(mitigated.edit.groups.values()))
    silent = nemo.blocked_similarity(memorized, groups, y, unblocked, kept)
    loud = nemo.blocked_similarity(memorized, {i: {} for i in range(3)}, y, unblocked, kept)
    assert all(mitigated.edit.off(name) >= 1 for name in tiny.TARGETS)
    assert all(s <= 0.5 for s in silent.values())
    assert all(s > 0.999 for s in loud.values())


def test_a_target_alone_and_among_others_loses_the_same_neurons(memorized: Setting, targets: list[Item]) -> None:
    """All searches advance in one batch, each on its own: company changes nothing."""
    together = nemo.apply(memorized, targets, PARAMS).edit
    assert together is not None
    for target in targets:
        alone = nemo.apply(memorized, [target], PARAMS).edit
        assert alone is not None
        assert off(alone.groups[target.id]) == off(together.groups[target.id])


def test_joint_is_the_union_of_the_targets_neurons(memorized: Setting, targets: list[Item]) -> None:
    """One group for all."""
    single = nemo.apply(memorized, targets, PARAMS).edit
    joint = nemo.apply(memorized, targets, NemoParams(seeds=4, similarity=0.5, scope="joint"))
    assert single is not None
    assert joint.edit is not None
    assert (joint.scope, joint.edit.joint) == ("joint", True)
    assert off(joint.edit.groups[JOINT]) == set().union(*(off(masks) for masks in single.groups.values()))


def test_refined_neurons_are_among_those_selected(memorized: Setting, targets: list[Item]) -> None:
    """Refinement only ever gives back."""
    refined = nemo.apply(memorized, targets, PARAMS).edit
    selected = nemo.apply(memorized, targets, NemoParams(seeds=4, similarity=0.5, refine=False)).edit
    assert refined is not None
    assert selected is not None
    for name in tiny.TARGETS:
        assert off(refined.groups[name]) <= off(selected.groups[name])
    assert sum(map(refined.off, tiny.TARGETS)) < sum(map(selected.off, tiny.TARGETS))


def test_a_target_without_a_caption_keeps_its_neurons(setting: Setting, targets: list[Item]) -> None:
    """NeMo has nothing to look at: an empty group and a note that says so; with no caption at all it fails."""
    silent = replace(targets[0], prompt=None)
    mitigated = nemo.apply(setting, [silent, targets[1]], NemoParams(seeds=2, similarity=0.9))
    assert mitigated.edit is not None
    assert mitigated.edit.groups["fox"] == {}
    assert "fox has no prompt: nemo deactivates nothing for it" in mitigated.notes
    with pytest.raises(MethodFailed, match="looks at prompts"):
        nemo.apply(setting, [silent], NemoParams())


def test_small_latents_are_noted(setting: Setting, targets: list[Item]) -> None:
    """8-pixel latents do not hold an 11-pixel window, and the report says what was used instead."""
    notes = nemo.apply(setting, targets[:1], NemoParams(seeds=2, similarity=0.9)).notes
    assert any("3-pixel window" in note for note in notes)
    assert any("τ_mem = 0.900" in note for note in notes)
