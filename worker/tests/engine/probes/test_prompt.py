"""Asking with the caption."""

from dataclasses import replace

import torch

from palimpsest.contract.methods import PromptParams
from worker.engine.edits import JOINT, Edit
from worker.engine.items import Item, Trial
from worker.engine.probes import prompt
from worker.engine.setting import Setting
from worker.tests import tiny


def test_every_caption_gets_its_evaluation_images(setting: Setting, targets: list[Item]) -> None:
    """Two pictures each, on the evaluation seeds; there is no search to tell of."""
    trials = [Trial(target, JOINT, None) for target in targets]
    answers = prompt.run(setting, trials, PromptParams())
    y = setting.model.encode_prompts(list(tiny.TARGETS.values()))
    expected = setting.draw(trials, y, images=2, purpose=("evaluate", "prompt"))
    for answer, pictures in zip(answers, expected, strict=True):
        assert answer is not None
        assert torch.equal(answer.pictures, pictures)
        assert (answer.start, answer.steps, answer.first_step, answer.loss, answer.embedding) == (None,) * 3 + (
            (),
            None,
        )


def test_who_has_no_caption_is_passed_over(setting: Setting, targets: list[Item]) -> None:
    """The others' answers stay in their places; nobody with a caption, nobody is asked."""
    silent = replace(targets[0], prompt=None)
    trials = [Trial(item, JOINT, None) for item in (silent, targets[1])]
    first, second = prompt.run(setting, trials, PromptParams())
    [alone] = prompt.run(setting, trials[1:], PromptParams())
    assert first is None
    assert second is not None
    assert alone is not None
    assert torch.equal(second.pictures, alone.pictures)
    before = setting.model.work.forwards
    assert prompt.run(setting, trials[:1], PromptParams()) == [None]
    assert setting.model.work.forwards == before


def test_every_target_is_drawn_on_its_own_model(setting: Setting, targets: list[Item]) -> None:
    """fox loses nothing and is drawn as before; kite loses all value neurons and is not, from the same noise."""
    masks = {path: torch.ones(width, dtype=torch.bool) for path, width in tiny.VALUE_LAYERS.items()}
    plain = prompt.run(setting, [Trial(target, JOINT, None) for target in targets[:2]], PromptParams())
    on = [Trial(targets[0], "fox", 0), Trial(targets[1], "kite", 1)]
    with setting.model.edited(Edit("neurons", {"fox": {}, "kite": masks}, 40)):
        edited = prompt.run(setting, on, PromptParams())
    differences = [
        float((one.pictures - other.pictures).abs().max())
        for one, other in zip(plain, edited, strict=True)
        if one is not None and other is not None
    ]
    assert differences[0] <= 1 / 255 + 1e-5
    assert differences[1] > 1.5 / 255
