"""What a mitigation cost."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from palimpsest.contract.methods import UtilityParams
from worker.engine.conditioning import Conditioning
from worker.engine.edits import JOINT, Edit
from worker.engine.errors import MethodFailed
from worker.engine.setting import Setting
from worker.engine.utility import frechet, kernel
from worker.engine.utility.inception import open_inception
from worker.engine.utility.measure import Seen, concluded, draw, measure, neutral_prompts
from worker.tests import tiny
from worker.tests.engine.utility.test_inception import Network

SILENCE = {path: torch.ones(width, dtype=torch.bool) for path, width in tiny.VALUE_LAYERS.items()}


def params(**changes: Any) -> UtilityParams:
    """Four prompts, two seeds, three candidates."""
    return UtilityParams(**({"prompts": 4, "seeds": 2, "candidates": 3, "pairs": 2} | changes))


def seen(f: torch.Tensor, aligned: list[list[bool]]) -> Seen:
    """Descriptors and assignments made by hand."""
    return Seen(f=[f], aligned=[torch.tensor(row) for row in aligned])


def test_a_model_that_is_left_alone_costs_nothing(setting: Setting) -> None:
    """Drift 0, alignment and similarity as before, distances equal to their nulls, nothing passed."""
    found = measure(setting, None, params())
    assert found.drift.value == pytest.approx(0, abs=1e-5)
    assert found.aligned_after == found.aligned_before
    assert found.similarity_after == found.similarity_before
    assert found.frechet.value == pytest.approx(found.frechet.null, abs=1e-4)
    assert found.kernel.value == pytest.approx(found.kernel.null, abs=1e-4)
    assert (found.passed, found.degraded, found.fid, found.kid) == ([], False, None, None)
    assert (found.prompts, found.seeds, found.drift.n) == (4, 2, 4)
    assert found.aligned_chance == pytest.approx(1 / 3, abs=1e-5)


def test_the_numbers_by_hand() -> None:
    """
    Two prompts, two seeds, pictures e₁ e₂ e₃: before (e₁ e₂) (e₁ e₃), after (e₁ e₁) (e₂ e₂)
    drift: of the first prompt 1 − (1 + 0)/2, of the second 1 − 0: 0.75; similarity from 0 to 1
    aligned: from 3 of 4 to 1 of 4, a fall of 0.5
    """
    e = torch.eye(3)
    before = seen(torch.stack([e[[0, 1]], e[[0, 2]]]), [[True, True], [True, False]])
    after = seen(torch.stack([e[[0, 0]], e[[1, 1]]]), [[True, False], [False, False]])
    again = seen(torch.stack([e[[1, 2]], e[[2, 2]]]), [])
    found = concluded(before, after, again, params(), chance=0.25)
    assert (found.drift.value, found.aligned_before.value, found.aligned_after.value) == (0.75, 0.75, 0.25)
    assert (found.similarity_before.value, found.similarity_after.value) == (0, 1)
    assert found.passed == ["drift", "alignment", "diversity"]
    assert found.degraded
    flat = [s.f[0].flatten(0, 1) for s in (before, after, again)]
    assert found.frechet.value == pytest.approx(frechet.distance(flat[2], flat[1]), abs=1e-5)
    assert found.frechet.null == pytest.approx(frechet.distance(flat[2], flat[0]), abs=1e-5)
    assert found.kernel.value == pytest.approx(kernel.distance(flat[2], flat[1]), abs=1e-5)


def test_a_bound_is_passed_beyond_it_only() -> None:
    """Drift is 0.75: a bound of 0.75 holds, one of 0.74 does not; only the bounds that are passed are named."""
    e = torch.eye(3)
    before = seen(torch.stack([e[[0, 1]], e[[0, 2]]]), [[True, True], [True, True]])
    after = seen(torch.stack([e[[0, 2]], e[[1, 0]]]), [[True, True], [True, True]])
    at = concluded(before, after, before, params(drift_bound=0.75), chance=0.25)
    past = concluded(before, after, before, params(drift_bound=0.74), chance=0.25)
    assert (at.passed, at.degraded) == ([], False)
    assert (past.passed, past.degraded) == (["drift"], True)
    assert past.bounds == {"drift": 0.74, "alignment": 0.2, "diversity": 0.2}


def test_before_and_after_are_drawn_from_one_noise(setting: Setting) -> None:
    """The mitigated model's picture of a place is the edited model's from the same noise; other noise is other."""
    edit = Edit("neurons", {JOINT: SILENCE}, 40)
    prompts = tiny.NEUTRAL[:3]
    before = draw(setting, None, prompts, range(3), 2, "same")
    after = draw(setting, edit, prompts, range(3), 2, "same")
    with setting.model.edited(edit):
        assert torch.equal(draw(setting, None, prompts, range(3), 2, "same"), after)
    assert not torch.equal(before, after)
    assert not torch.allclose(draw(setting, None, prompts, range(3), 2, "other"), before, atol=0.1)
    part = draw(setting, None, prompts, range(1, 2), 2, "same")
    assert torch.allclose(part[0], before[1], atol=1.5 / 255)


def test_prompts_are_dealt_out_to_the_targets_models(setting: Setting) -> None:
    """The first and third prompt meet fox's model, which is whole; the second and fourth kite's, which is silent."""
    edit = Edit("neurons", {"fox": {}, "kite": SILENCE}, 40)
    prompts = tiny.NEUTRAL[:4]
    whole = draw(setting, None, prompts, range(4), 1, "same")
    silent = draw(setting, Edit("neurons", {JOINT: SILENCE}, 40), prompts, range(4), 1, "same")
    dealt = draw(setting, edit, prompts, range(4), 1, "same")
    for place, expected in enumerate((whole, silent, whole, silent)):
        assert torch.allclose(dealt[place], expected[place], atol=1.5 / 255)


def test_a_mitigation_at_the_input_is_measured_too(setting: Setting) -> None:
    """One that turns every embedding to zero draws what zero draws: the pictures drift."""
    zero = Conditioning("zero", {}, perturb=lambda _, y, own: torch.zeros_like(y))
    found = measure(setting, zero, params())
    assert found.drift.value != 0
    pictures = draw(setting, zero, tiny.NEUTRAL[:2], range(2), 1, "same")
    keys: list[tuple[str | int, ...]] = [("utility", "same", place, 0) for place in range(2)]
    assert torch.allclose(pictures, setting.pictures(keys, torch.zeros(2, 20, 16)), atol=1.5 / 255)


def test_the_same_again(setting: Setting) -> None:
    """Every number; and the model is as it was."""
    before = {name: weight.clone() for name, weight in setting.model.unet.state_dict().items()}
    edit = Edit("neurons", {JOINT: SILENCE}, 40)
    assert measure(setting, edit, params()) == measure(setting, edit, params())
    assert all(torch.equal(weight, before[name]) for name, weight in setting.model.unet.state_dict().items())


def test_by_default_there_are_as_many_pictures_as_the_effort_has(setting: Setting) -> None:
    """40 pictures of two seeds are 20 prompts, but there are six; ten of five seeds are two; one is too few."""
    effort = replace(setting.effort, neutral_images=40)
    assert neutral_prompts(replace(setting, effort=effort), params(prompts=None)) == tiny.NEUTRAL
    effort = replace(setting.effort, neutral_images=10)
    assert neutral_prompts(replace(setting, effort=effort), params(prompts=None, seeds=5)) == tiny.NEUTRAL[::3]
    effort = replace(setting.effort, neutral_images=1)
    assert len(neutral_prompts(replace(setting, effort=effort), params(prompts=None))) == 2


def test_fid_needs_its_weights(setting: Setting, tmp_path: Path) -> None:
    """Asked for without them it is refused; with them FID and KID stand beside; not asked for, they are not used."""
    with pytest.raises(MethodFailed, match="no Inception weights"):
        measure(setting, None, params(inception=True))
    file = tmp_path / "inception.pt"
    torch.jit.script(Network()).save(str(file))
    inception = open_inception(file)
    found = measure(setting, Edit("neurons", {JOINT: SILENCE}, 40), params(inception=True), inception)
    assert found.fid is not None
    assert found.kid is not None
    assert found.fid.value >= 0
    assert measure(setting, None, params(), inception).fid is None
