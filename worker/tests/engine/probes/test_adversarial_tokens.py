"""The token search, step by step."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from palimpsest.contract.methods import AdversarialTokensParams
from worker.engine.edits import JOINT
from worker.engine.items import Answer, Item, Trial
from worker.engine.probes import adversarial_tokens as pez
from worker.engine.search import Candidate, losses, ranks
from worker.engine.setting import Setting


def trials(*items: Item) -> list[Trial]:
    """On the unmitigated model."""
    return [Trial(item, JOINT, None) for item in items]


def params(**changes: Any) -> AdversarialTokensParams:
    """A short search of small batches from the caption."""
    asked = {"steps": 3, "batch_size": 2, "starts": ["prompt"], "tokens": 4}
    return AdversarialTokensParams.model_validate(asked | changes)


def run(setting: Setting, *items: Item, **changes: Any) -> list[Answer]:
    """Every trial has an answer."""
    answers = pez.run(setting, trials(*items), params(**changes))
    assert all(answer is not None for answer in answers)
    return [answer for answer in answers if answer is not None]


def test_the_vocabulary_survives_being_typed(setting: Setting) -> None:
    """Every token alone comes back as itself, several in a row come back in order; vectors have length one."""
    vocabulary = pez.typeable(setting.model)
    assert set(vocabulary.ids.tolist()).isdisjoint(setting.model.special_tokens)
    assert len(vocabulary.ids) > 50
    assert torch.allclose(vocabulary.E.norm(dim=1), torch.ones(len(vocabulary.ids)))
    some = vocabulary.ids[torch.randperm(len(vocabulary.ids), generator=torch.Generator().manual_seed(0))[:10]].tolist()
    typed = setting.model.tokenize([setting.model.text_of(some)])[0].tolist()
    assert typed[1:11] == some


def test_nothing_is_left_out_that_could_be_typed(setting: Setting) -> None:
    """A token outside comes back as another, or as nothing."""
    inside = set(pez.typeable(setting.model).ids.tolist()) | set(setting.model.special_tokens)
    for token in range(len(setting.model.token_table)):
        if token not in inside:
            typed = setting.model.tokenize([setting.model.text_of([token])])[0].tolist()
            assert typed[1:3] != [token, typed[-1]]


def test_no_step_asks_with_the_caption(setting: Setting, targets: list[Item]) -> None:
    """steps = 0 from the caption's own tokens: the caption itself, sampled on the evaluation seeds."""
    [answer] = run(setting, targets[0], steps=0)
    y = setting.model.encode_prompts([targets[0].prompt or ""])
    assert answer.text == targets[0].prompt
    assert answer.embedding is not None
    assert torch.equal(answer.embedding, y[0])
    expected = setting.draw(trials(targets[0]), y, images=2, purpose=("evaluate", "search"))
    assert torch.equal(answer.pictures, expected[0])
    assert (answer.steps, answer.loss, answer.start, answer.first_step) == (0, (), "prompt", None)


def test_the_projection_is_the_token_of_largest_cosine(setting: Setting, targets: list[Item]) -> None:
    """A soft row at three times a token's embedding is that token; a row untouched is the piece it began with."""
    vocabulary = pez.typeable(setting.model)
    [walk] = pez.begin(setting, trials(targets[0]), vocabulary, params())
    assert torch.equal(pez.project(setting.model, walk, vocabulary), walk.begun)
    other = int(vocabulary.ids[7])
    walk.P.data[1] = 3 * setting.model.token_table[other]
    expected = walk.begun.clone()
    expected[1] = other
    assert torch.equal(pez.project(setting.model, walk, vocabulary), expected)


def test_a_piece_that_cannot_be_typed_alone_is_kept_where_it_was(setting: Setting, targets: list[Item]) -> None:
    """A caption cut into letters: its first piece is in no vocabulary, yet its row begins as it."""
    vocabulary = pez.typeable(setting.model)
    [walk] = pez.begin(setting, trials(replace(targets[0], prompt="xqzx")), vocabulary, params())
    inside = set(vocabulary.ids.tolist())
    assert any(token not in inside for token in walk.begun.tolist())
    assert torch.equal(pez.project(setting.model, walk, vocabulary), walk.begun)


def test_the_first_step_is_adamw_with_the_gradient_at_the_projection(setting: Setting, targets: list[Item]) -> None:
    """
    From rest: P ← P·(1 − γλ) − γ · g/(|g| + 10⁻⁸), g the gradient of the mean loss to the projected tokens
    γ = 0.1, λ = 0.1; g worked out apart, through the text encoder in one piece
    """
    on, vocabulary = trials(targets[0]), pez.typeable(setting.model)
    x_0 = setting.latents(on)
    [walk], [twin] = (pez.begin(setting, on, vocabulary, params()) for _ in range(2))
    optimizer = torch.optim.AdamW([walk.P], lr=0.1, weight_decay=0.1)
    pez.descend(setting, on, [walk], x_0, vocabulary, optimizer, 2)
    e = setting.model.token_table[twin.begun].clone().requires_grad_()
    t = torch.randint(1000, (2,), generator=twin.generator)
    eps = torch.randn(2, 4, 8, 8, generator=twin.generator)
    y = pez.encoded(setting.model, [twin], [e]).expand(2, -1, -1)
    loss = losses(setting, on, torch.tensor([0, 0]), x_0, y, t, eps).mean()
    (g,) = torch.autograd.grad(loss, e)
    P = twin.P.detach()
    clear = g.abs() > 1e-6
    assert float(clear.float().mean()) > 0.9
    assert torch.allclose(walk.P.detach()[clear], (P * 0.99 - 0.1 * g.sign())[clear], atol=2e-3)
    assert walk.loss == [pytest.approx(loss.item(), abs=1e-4)]
    assert walk.visited == {tuple(twin.begun.tolist()): pytest.approx(loss.item(), abs=1e-4)}


def test_the_encoder_hears_the_tokens_it_is_given(setting: Setting, targets: list[Item]) -> None:
    """The embeddings of a caption's own tokens give what the caption gives."""
    vocabulary = pez.typeable(setting.model)
    walks = pez.begin(setting, trials(*targets), vocabulary, params())
    leaves = [setting.model.token_table[walk.begun] for walk in walks]
    y = setting.model.encode_prompts([target.prompt or "" for target in targets])
    assert torch.allclose(pez.encoded(setting.model, walks, leaves), y, atol=1e-6)


def test_what_is_drawn_is_the_text(setting: Setting, targets: list[Item]) -> None:
    """The embedding kept as evidence is what the reported text is encoded to, for whoever types it."""
    for answer in run(setting, *targets, starts=["prompt", "random"]):
        assert answer.text is not None
        assert answer.embedding is not None
        assert torch.allclose(answer.embedding, setting.model.encode_prompts([answer.text])[0], atol=1e-6)
        assert (answer.steps, len(answer.loss)) == (3, 3)


def test_a_random_start_has_as_many_tokens_as_asked(setting: Setting, targets: list[Item]) -> None:
    """Four of the vocabulary between begin and end; more than fit are as many as fit; restarts differ."""
    vocabulary = pez.typeable(setting.model)
    inside = set(vocabulary.ids.tolist())
    walks = pez.begin(setting, trials(targets[0]), vocabulary, params(starts=["random"], restarts=2))
    assert [len(walk.P) for walk in walks] == [4, 4]
    assert all(set(walk.begun.tolist()) <= inside for walk in walks)
    assert walks[0].begun.tolist() != walks[1].begun.tolist()
    assert all(torch.equal(walk.ids[5:], setting.model.tokenize([""])[0, 1:16]) for walk in walks)
    [full] = pez.begin(setting, trials(targets[0]), vocabulary, params(starts=["random"], tokens=75))
    assert len(full.P) == 18


def test_without_a_caption_the_start_is_random(setting: Setting, targets: list[Item]) -> None:
    """None, or one of no words."""
    for prompt in (None, ""):
        [answer] = run(setting, replace(targets[0], prompt=prompt))
        assert answer.start == "random"


def test_the_best_of_all_that_was_visited_wins(setting: Setting, targets: list[Item]) -> None:
    """The winner's loss on noise kept apart is the least of every projection since the last look and of before."""
    on, vocabulary = trials(targets[0]), pez.typeable(setting.model)
    x_0 = setting.latents(on)
    [walk] = pez.begin(setting, on, vocabulary, params())
    optimizer = torch.optim.AdamW([walk.P], lr=0.1, weight_decay=0.1)
    for _ in range(4):
        pez.descend(setting, on, [walk], x_0, vocabulary, optimizer, 2)
    visited = [list(ids) for ids in walk.visited]
    visited.append(pez.project(setting.model, walk, vocabulary).tolist())
    best = pez.contest(setting, on, [walk], {}, x_0, vocabulary)
    texts = [setting.model.text_of(ids) for ids in visited]
    rivals = [
        Candidate(0, "prompt", y, text) for y, text in zip(setting.model.encode_prompts(texts), texts, strict=True)
    ]
    ranked = dict(zip(texts, ranks(setting, on, rivals, x_0), strict=True))
    assert ranked[best[0].text or ""] == min(ranked.values())
    assert walk.visited == {}
    newest = ranked[texts[-1]]
    again = pez.contest(setting, on, [walk], best, x_0, vocabulary)
    assert ranked[again[0].text or ""] == min(newest, ranked[best[0].text or ""])
    broken = replace(best[0], y=best[0].y * float("nan"))
    assert pez.contest(setting, on, [walk], {0: broken}, x_0, vocabulary)[0].text == texts[-1]


def test_a_confirmed_hit_ends_the_search(generous: Setting, targets: list[Item], controls: list[Item]) -> None:
    """Every picture is a copy: all stop at the first look, after step 1 of 3, controls as well as targets."""
    for answer in run(generous, *targets, *controls):
        assert (answer.steps, answer.first_step, len(answer.loss)) == (1, 1, 1)


def test_without_early_stop_the_budget_is_spent(generous: Setting, targets: list[Item]) -> None:
    """Every picture is a copy, and still all 3 steps are taken."""
    [answer] = run(generous, targets[0], early_stop=False)
    assert (answer.steps, answer.first_step, len(answer.loss)) == (3, 3, 3)


def test_who_else_is_searched_changes_nothing(setting: Setting, targets: list[Item], controls: list[Item]) -> None:
    """The same text and losses alone as among three, from either start; and the same again."""
    both = {"starts": ["prompt", "random"], "steps": 2}
    among = run(setting, *targets[:2], controls[0], **both)
    [alone] = run(setting, controls[0], **both)
    assert (alone.text, alone.start) == (among[2].text, among[2].start)
    assert alone.loss == pytest.approx(among[2].loss, abs=1e-4)
    assert [answer.text for answer in run(setting, *targets[:2], controls[0], **both)] == [a.text for a in among]


def test_numbers_depend_on_what_they_are_for(setting: Setting, targets: list[Item]) -> None:
    """Another item, probe id or audit draws other noise."""
    first = run(setting, targets[0], steps=1)[0].loss
    others = [
        run(setting, replace(targets[0], id="vixen"), steps=1)[0].loss,
        run(setting, targets[0], steps=1, id="again")[0].loss,
        run(replace(setting, seed=1), targets[0], steps=1)[0].loss,
    ]
    assert len({first, *others}) == 4


def test_a_search_that_leaves_the_finite_numbers_has_no_answer(setting: Setting, targets: list[Item]) -> None:
    """A picture of NaN has a loss of NaN; the others go on."""
    broken = replace(targets[0], picture=torch.full((3, 32, 32), float("nan")))
    first, second = pez.run(setting, trials(broken, targets[1]), params())
    assert first is None
    assert second is not None
    assert len(second.loss) == 3


def test_nothing_of_the_model_moves(setting: Setting, targets: list[Item]) -> None:
    """Neither the denoiser nor the token table has changed or has a gradient, and the table's hook is gone."""
    table = setting.model.pipeline.text_encoder.get_input_embeddings()
    before = table.weight.clone()
    run(setting, *targets)
    assert torch.equal(table.weight, before)
    assert table.weight.grad is None
    assert not table._forward_hooks
    assert all(weight.grad is None for weight in setting.model.unet.parameters())


def test_every_row_with_a_gradient_is_counted(setting: Setting, targets: list[Item]) -> None:
    """3 trials × 2 starts × 3 steps × 2 pairs = 36."""
    before = setting.model.work.forwards_with_gradient
    run(setting, *targets, starts=["prompt", "random"])
    assert setting.model.work.forwards_with_gradient - before == 36


def test_cosine_is_blind_to_length(setting: Setting, targets: list[Item]) -> None:
    """Soft rows twice as long are the same tokens."""
    vocabulary = pez.typeable(setting.model)
    [walk] = pez.begin(setting, trials(targets[1]), vocabulary, params(starts=["random"]))
    walk.P.data += 0.05 * torch.randn(walk.P.shape, generator=torch.Generator().manual_seed(6))
    now = pez.project(setting.model, walk, vocabulary)
    walk.P.data *= 2
    assert torch.equal(pez.project(setting.model, walk, vocabulary), now)
    cosines = F.normalize(walk.P.detach(), dim=1) @ vocabulary.E.T
    assert torch.equal(now, vocabulary.ids[cosines.argmax(dim=1)])
