"""Rewording, rule by rule and round by round."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from palimpsest.contract.methods import ParaphraseParams
from worker.engine.edits import JOINT
from worker.engine.items import Answer, Item, Trial
from worker.engine.probes import paraphrase
from worker.engine.setting import Setting
from worker.tests import tiny

WORDS = ["a", "red", "fox"]


def trials(*items: Item) -> list[Trial]:
    """On the unmitigated model."""
    return [Trial(item, JOINT, None) for item in items]


def params(**changes: Any) -> ParaphraseParams:
    """Two rounds of three wordings."""
    return ParaphraseParams(**({"rounds": 2, "queries": 3, "neighbours": 2} | changes))


def run(setting: Setting, *items: Item, **changes: Any) -> list[Answer]:
    """Every trial has an answer."""
    answers = paraphrase.run(setting, trials(*items), params(**changes))
    assert all(answer is not None for answer in answers)
    return [answer for answer in answers if answer is not None]


def generator(seed: int) -> torch.Generator:
    """A generator of one's own."""
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        (paraphrase.dropped(WORDS, 1), ["a", "fox"]),
        (paraphrase.dropped(["fox"], 0), ["fox"]),
        (paraphrase.swapped(WORDS, 0), ["red", "a", "fox"]),
        (paraphrase.swapped(WORDS, 2), ["a", "fox", "red"]),
        (paraphrase.swapped(["fox"], 0), ["fox"]),
        (paraphrase.replaced(WORDS, 2, "dog"), ["a", "red", "dog"]),
    ],
)
def test_the_rules_by_hand(done: list[str], expected: list[str]) -> None:
    """One word less, two exchanged, one replaced; a single word can neither be left out nor exchanged."""
    assert done == expected


def test_a_frame_is_a_neutral_template() -> None:
    """The wording stands in it as it was."""
    assert paraphrase.framed(WORDS, 0) == "a picture of a red fox"
    assert all(template.count("{}") == 1 for template in paraphrase.TEMPLATES)


def test_every_rule_is_drawn(setting: Setting) -> None:
    """Over many draws each of the four occurs, and no word comes from anywhere but caption, lexicon and templates."""
    lexicon = paraphrase.lexicon_of(setting)
    seen = {paraphrase.reworded(WORDS, generator(n), lexicon, 2) for n in range(200)}
    assert {"red fox", "red a fox", "a picture of a red fox"} <= seen
    replaced = {text for text in seen if len(text.split()) == 3 and sorted(text.split()) != sorted(WORDS)}
    assert replaced
    known = {*WORDS, *lexicon.words, *" ".join(paraphrase.TEMPLATES).split()}
    assert {word for text in seen for word in text.split()} <= known


def test_the_lexicon_is_the_neutral_prompts_words(setting: Setting) -> None:
    """Each once, in order, with a vector of length one."""
    lexicon = paraphrase.lexicon_of(setting)
    assert lexicon.words[:4] == ["a", "loaf", "of", "bread"]
    assert len(lexicon.words) == len(set(lexicon.words)) == len({w for prompt in tiny.NEUTRAL for w in prompt.split()})
    assert torch.allclose(lexicon.vectors.norm(dim=1), torch.ones(len(lexicon.words)))


def test_the_nearest_words_are_nearest_and_never_the_word_itself(setting: Setting) -> None:
    """Ranked by the cosine of the encoder's mean over a word's own tokens, worked out apart."""
    lexicon = paraphrase.lexicon_of(setting)

    def vector(word: str) -> torch.Tensor:
        ids = setting.model.tokenize([word])[0].tolist()
        own = [n for n, token in enumerate(ids) if token not in setting.model.special_tokens]
        mean = setting.model.encode_prompts([word])[0, own].mean(dim=0)
        return mean / mean.norm()

    cosines = {word: float(vector(word) @ vector("moon")) for word in lexicon.words if word != "moon"}
    expected = sorted(cosines, key=lambda word: -cosines[word])[:3]
    assert lexicon.nearest("Moon", 3) == expected


def test_every_wording_is_another_query(setting: Setting, targets: list[Item]) -> None:
    """Nine wordings in three rounds: none twice, none the caption, as the tokenizer hears them."""
    on, lexicon, asked = trials(targets[0]), paraphrase.lexicon_of(setting), params(rounds=3)
    inquiry = paraphrase.inquiry_of(setting, 0, on[0], asked)
    texts: list[str] = []
    for _ in range(3):
        texts += paraphrase.next_wordings(setting, inquiry, lexicon, asked)
    heard = {tuple(row) for row in setting.model.tokenize([*texts, targets[0].prompt or ""]).tolist()}
    assert len(texts) == 9
    assert len(heard) == 10


def test_a_single_word_runs_dry(setting: Setting, targets: list[Item]) -> None:
    """It can be replaced by two neighbours and framed by five templates: seven wordings and no more."""
    on, lexicon, asked = trials(replace(targets[0], prompt="moon")), paraphrase.lexicon_of(setting), params(queries=8)
    inquiry = paraphrase.inquiry_of(setting, 0, on[0], asked)
    assert len(paraphrase.next_wordings(setting, inquiry, lexicon, asked)) <= 7
    assert paraphrase.next_wordings(setting, inquiry, lexicon, asked) == []
    answers = paraphrase.run(setting, on, asked)
    assert answers[0] is not None


def test_the_best_wording_is_the_nearest_to_the_image(setting: Setting, targets: list[Item]) -> None:
    """One round: of its wordings, drawn anew on the look's noise, the answer's has the highest mean similarity."""
    [answer] = run(setting, targets[0], rounds=1, queries=5)
    on, lexicon, asked = trials(targets[0]), paraphrase.lexicon_of(setting), params(rounds=1, queries=5)
    texts = paraphrase.next_wordings(setting, paraphrase.inquiry_of(setting, 0, on[0], asked), lexicon, asked)
    scores = {}
    for text in texts:
        y = setting.model.encode_prompts([text])
        pictures = setting.draw(on, y, images=1, purpose=("look", "wording"))[0]
        scores[text] = setting.score(pictures, targets[0]).similarity[0]
    assert scores[answer.text or ""] == pytest.approx(max(scores.values()), abs=1e-3)


def test_the_next_round_rewords_the_best(setting: Setting, targets: list[Item]) -> None:
    """After a round the words to start from are the best wording's, not the caption's."""
    on, lexicon, asked = trials(targets[0]), paraphrase.lexicon_of(setting), params(queries=6)
    inquiry = paraphrase.inquiry_of(setting, 0, on[0], asked)
    paraphrase.ask(setting, on, [inquiry], lexicon, asked)
    assert inquiry.best is not None
    words = (inquiry.best.text or "").split()
    for text in paraphrase.next_wordings(setting, inquiry, lexicon, asked):
        common = len(set(text.split()) & set(words))
        assert common >= len(set(words)) - 1


def test_the_end_is_scored_on_the_evaluation_seeds(setting: Setting, targets: list[Item]) -> None:
    """No picture is a copy: six queries spent, no first step; embedding and pictures are those of the text."""
    [answer] = run(setting, targets[0])
    assert answer.text is not None
    assert answer.text != targets[0].prompt
    y = setting.model.encode_prompts([answer.text])
    assert answer.embedding is not None
    assert torch.allclose(answer.embedding, y[0], atol=1e-6)
    expected = setting.draw(trials(targets[0]), y, images=2, purpose=("evaluate", "search"))
    assert torch.allclose(answer.pictures, expected[0], atol=1.5 / 255)
    assert (answer.start, answer.steps, answer.first_step) == ("prompt", 6, None)


def test_a_confirmed_hit_ends_theinquiry_of(generous: Setting, targets: list[Item], controls: list[Item]) -> None:
    """Every picture is a copy: all stop after the first round's three queries, controls as well as targets."""
    for answer in run(generous, *targets, *controls):
        assert (answer.steps, answer.first_step) == (3, 3)


def test_without_early_stop_all_rounds_are_asked(generous: Setting, targets: list[Item]) -> None:
    """Every picture is a copy, and still six queries are spent."""
    [answer] = run(generous, targets[0], early_stop=False)
    assert (answer.steps, answer.first_step) == (6, 6)


def test_what_was_not_confirmed_is_not_tried_again(setting: Setting, targets: list[Item]) -> None:
    """A promising wording is put to the test once: the second time there is nothing to settle, and nothing is drawn."""
    on, lexicon = trials(targets[0]), paraphrase.lexicon_of(setting)
    inquiry = paraphrase.inquiry_of(setting, 0, on[0], params())
    paraphrase.ask(setting, on, [inquiry], lexicon, params())
    inquiry.promising = True
    assert paraphrase.settle(setting, on, [inquiry], 3) == {}
    before = setting.model.work.forwards
    assert paraphrase.settle(setting, on, [inquiry], 6) == {}
    assert setting.model.work.forwards == before


def test_without_a_caption_neutral_prompts_are_asked(setting: Setting, targets: list[Item]) -> None:
    """The first round asks some of them, the second rewords the best."""
    [answer] = run(setting, replace(targets[0], prompt=None))
    assert answer.start == "neutral"
    [first] = run(setting, replace(targets[0], prompt=None), rounds=1)
    assert first.text in tiny.NEUTRAL


def test_no_gradient_is_asked_for(setting: Setting, targets: list[Item]) -> None:
    """Only pictures: 3 trials × 6 wordings × 1 look, then 3 × 2 evaluations, of 2 guided steps each."""
    work = setting.model.work
    before = work.forwards, work.forwards_with_gradient
    run(setting, *targets)
    assert (work.forwards - before[0], work.forwards_with_gradient - before[1]) == ((3 * 6 + 3 * 2) * 4, 0)


def test_who_else_is_asked_changes_nothing(setting: Setting, targets: list[Item], controls: list[Item]) -> None:
    """The same text alone as among four, whether target or control; and the same again."""
    together = run(setting, *targets, controls[0])
    for item, among in zip([*targets, controls[0]], together, strict=True):
        [alone] = run(setting, replace(item, role="control"))
        assert alone.text == among.text


def test_another_audit_asks_otherwise(setting: Setting, targets: list[Item]) -> None:
    """The seed is part of what the wordings are drawn for."""
    assert run(setting, targets[0])[0].text != run(replace(setting, seed=1), targets[0])[0].text
