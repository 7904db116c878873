"""What fine-tuning trains on: how it is drawn, chosen and counted."""

from dataclasses import replace

import pytest
import torch

from worker.engine import own_draws
from worker.engine.diffusion import sample
from worker.engine.items import Item
from worker.engine.own_draws import StandIns
from worker.engine.seeds import noise
from worker.engine.setting import Setting
from worker.tests import tiny


def test_regular_pictures_are_unguided_draws_for_captions_evenly_spaced(setting: Setting) -> None:
    """Three of six captions are the first, third and fifth; at guidance 1 the empty caption does not count."""
    found = own_draws.regular(setting, 3)
    y = setting.model.encode_prompts(tiny.NEUTRAL[::2])
    assert torch.equal(found.y, y)
    x_T = noise((4, 8, 8), [("regular", i) for i in range(3)], setting.seed)
    nothing = torch.zeros(1, 20, 16)
    alone = sample(setting.model.eps, x_T, y, nothing, steps=2, g=1.0, alpha_bar=setting.model.alpha_bar)
    assert torch.allclose(found.x_0, alone, atol=1e-5)


def test_more_pictures_than_captions_go_through_them_again(setting: Setting) -> None:
    """Twelve pictures for six captions: two of each, from noise of their own."""
    found = own_draws.regular(setting, 12)
    assert torch.equal(found.y[::2], found.y[1::2])
    assert not torch.allclose(found.x_0[0], found.x_0[1])


def test_a_stand_in_is_among_the_less_similar_half(setting: Setting, targets: list[Item]) -> None:
    """Of twice as many guided draws, by the descriptor, most different first; their captions go with them."""
    found = own_draws.stand_ins(setting, targets, 2)
    assert (found.x_0.shape, found.y.shape, found.similarity.shape) == ((3, 2, 4, 8, 8), (3, 2, 20, 16), (3, 2))
    means = own_draws.mean_embeddings(setting, setting.neutral)
    for n, target in enumerate(targets):
        captions = own_draws.nearest(setting, target, means, 4)
        y = setting.model.encode_prompts(captions)
        x_0 = own_draws.draw(setting, [("stand-in", target.id, k) for k in range(4)], y, 3.0)
        similarity = torch.tensor(setting.score(setting.model.decode(x_0), target).similarity)
        order = similarity.argsort()
        assert torch.equal(found.similarity[n], similarity[order[:2]])
        assert torch.equal(found.x_0[n], x_0[order[:2]])
        assert torch.equal(found.y[n], y[order[:2]])
        assert float(found.similarity[n].max()) <= float(similarity[order[2:]].min())


def test_the_nearest_captions_are_by_the_cosine_of_mean_embeddings(setting: Setting, targets: list[Item]) -> None:
    """A neutral caption is nearest to itself; where there are too few, the order begins again."""
    means = own_draws.mean_embeddings(setting, setting.neutral)
    same = replace(targets[0], prompt=tiny.NEUTRAL[3])
    found = own_draws.nearest(setting, same, means, 8)
    assert found[0] == tiny.NEUTRAL[3]
    assert sorted(found[:6]) == sorted(tiny.NEUTRAL)
    assert found[6:] == found[:2]
    y = setting.model.encode_prompts([tiny.NEUTRAL[3], found[1], found[5]]).mean(dim=1)
    near, far = torch.nn.functional.cosine_similarity(y[1:], y[:1]).tolist()
    assert near >= far


def test_a_target_without_a_caption_has_captions_at_random(setting: Setting, targets: list[Item]) -> None:
    """Each of them once, in an order of the target's own."""
    means = own_draws.mean_embeddings(setting, setting.neutral)
    silent = [replace(target, prompt=None) for target in targets]
    orders = [own_draws.nearest(setting, target, means, 6) for target in silent]
    assert all(sorted(order) == sorted(tiny.NEUTRAL) for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    assert own_draws.nearest(setting, silent[0], means, 6) == orders[0]


def test_mean_embeddings_do_not_depend_on_how_many_are_encoded_at_once(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six captions at once, or two, two and two."""
    at_once = own_draws.mean_embeddings(setting, setting.neutral)
    monkeypatch.setattr(own_draws, "CAPTIONS", 2)
    assert torch.allclose(own_draws.mean_embeddings(setting, setting.neutral), at_once, atol=1e-6)


def test_drawing_costs_two_passes_a_step(setting: Setting, targets: list[Item]) -> None:
    """
    5 regular pictures × 2 steps × 2 halves = 20;  3 targets × 2 · 2 candidates × 2 × 2 = 48
    """
    work = setting.model.work
    before = work.forwards
    own_draws.regular(setting, 5)
    assert work.forwards - before == 20
    own_draws.stand_ins(setting, targets, 2)
    assert work.forwards - before == 68


def test_the_report_is_told_how_similar_stand_ins_are() -> None:
    """The mean of 0.1, 0.2, 0.3 and 0.2 is 0.2, the largest 0.3."""
    found = StandIns(torch.zeros(2, 2, 1, 1, 1), torch.zeros(2, 2, 1, 1), torch.tensor([[0.1, 0.2], [0.3, 0.2]]))
    assert found.told().startswith("2 stand-ins a target")
    assert found.told().endswith("of similarity 0.20 to its image (at most 0.30)")
