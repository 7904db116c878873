"""Token noise: what is inserted, where, and the same on an embedding."""

import pytest
import torch
from torch import Generator, tensor

from palimpsest.contract.methods import TokenNoiseParams
from worker.engine.mitigations import token_noise
from worker.engine.mitigations.token_noise import copied, inserted, shifted, word
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting

PROMPT = "a red fox asleep"
WORDS = PROMPT.split()


def own(*purpose: int) -> Generator:
    """A generator."""
    return generator_for(0, "test", *purpose)


def is_kept(prompt: str) -> bool:
    """Whether the prompt's own words are still there, in their order."""
    rest = iter(prompt.split(" "))
    return all(any(other == mine for other in rest) for mine in WORDS)


def test_a_word_is_inserted_at_every_place(setting: Setting) -> None:
    """Before, between and behind two words: three places, all met."""
    assert {inserted(["a", "b"], "X", own(n)) for n in range(50)} == {"X a b", "a X b", "a b X"}


@pytest.mark.parametrize("noise", ["random_tokens", "random_numbers", "repeated_words"])
def test_the_prompt_keeps_its_words_and_gains_so_many(setting: Setting, noise: str) -> None:
    """Three insertions leave the caption a subsequence of what is asked."""
    reword = token_noise.apply(setting, [], TokenNoiseParams.model_validate({"noise": noise, "repeats": 3})).edit.reword
    assert reword is not None
    reworded = {reword(setting.model, PROMPT, own(n)) for n in range(8)}
    assert len(reworded) > 1
    assert all(is_kept(prompt) and len(prompt.split(" ")) >= len(WORDS) + 3 for prompt in reworded)
    assert reword(setting.model, PROMPT, own(0)) == reword(setting.model, PROMPT, own(0))


def test_what_is_inserted(setting: Setting) -> None:
    """Numbers under 100,000; the prompt's own words; texts of tokens that are not special."""
    assert all(int(word(setting.model, "random_numbers", own(n))) < 100_000 for n in range(20))
    assert {copied(WORDS, own(n)) for n in range(50)} == set(WORDS)
    texts = [word(setting.model, "random_tokens", own(n)) for n in range(20)]
    assert all(texts)
    assert not any("<|" in text for text in texts)


def test_gaussian_noise_of_no_strength_changes_nothing(setting: Setting) -> None:
    """λ = 0; at λ = 0.1 the change has standard deviation 0.1. Captions are perturbed too: there is no rewording."""
    y = setting.model.encode_prompts([PROMPT, PROMPT])
    for strength in (0.0, 0.1):
        made = token_noise.apply(setting, [], TokenNoiseParams(noise="gaussian", strength=strength)).edit
        assert made.reword is None
        assert made.perturb is not None
        change = made.perturb(setting.model, y, [own(0), own(1)]) - y
        assert change.std().item() == pytest.approx(strength, rel=0.1)
        assert strength == 0 or not torch.equal(change[0], change[1])


def test_a_row_is_inserted_behind_the_first(setting: Setting) -> None:
    """
    rows 0 1 2 3 and a strange row 9, inserted once behind the first row
    →   0 9 1 2,  0 1 9 2  or  0 1 2 9: what is behind it moves on, the last falls off
    """
    y, strange = tensor([[0.0], [1], [2], [3]]), tensor([[9.0]])
    found = {tuple(shifted(y, 1, strange, own(n)).flatten().tolist()) for n in range(50)}
    assert found == {(0, 9, 1, 2), (0, 1, 9, 2), (0, 1, 2, 9)}


def test_without_strange_rows_its_own_are_repeated() -> None:
    """Never the first, which is not a word's."""
    y = tensor([[0.0], [1], [2], [3]])
    for n in range(30):
        row = shifted(y, 1, None, own(n)).flatten().tolist()
        assert row[0] == 0
        assert row.count(0) == 1
        assert set(row) <= {0, 1, 2, 3}


def test_every_row_of_an_embedding_is_disturbed_by_its_own_generator(setting: Setting) -> None:
    """The first token stays; gradients pass to the rows that stayed."""
    y = setting.model.encode_prompts([PROMPT]).repeat(2, 1, 1).requires_grad_()
    perturb = token_noise.apply(setting, [], TokenNoiseParams(repeats=2)).edit.perturb
    assert perturb is not None
    disturbed = perturb(setting.model, y, [own(0), own(1)])
    assert torch.equal(disturbed[:, 0], y[:, 0])
    assert not torch.equal(disturbed[0], disturbed[1])
    (gradient,) = torch.autograd.grad(disturbed.sum(), [y])
    assert set(gradient.flatten().tolist()) == {0, 1}
    assert gradient.flatten(1).sum(dim=1).tolist() == [(20 - 2) * 16] * 2


def test_equal_requests_disturb_alike(setting: Setting) -> None:
    """The list of words comes from the audit's seed."""
    first, again = (token_noise.apply(setting, [], TokenNoiseParams()).edit.dumps() for _ in range(2))
    assert first == again
