"""Ask with the caption reworded, by fixed rules, and keep what comes nearest.

Threat model: a text box and the pictures it returns; neither weights nor gradients. The image is known, as a rights
holder knows it. The nearest words are looked up in the model's text encoder, which is public for every released model.

The rules, each applied at a place drawn at random:

    drop       leave one word out
    swap       exchange two neighbouring words
    replace    one word gives way to one of its nearest words among those of the neutral prompts
    frame      put the wording into a neutral template

Every round rewords the best wording so far; in the first that is the caption, or, where none is known, a handful of
neutral prompts are asked. A wording's score is the mean similarity of its look images to the image, on the same noise
for all wordings of an item. A wording that the tokenizer takes for the caption, or for one already asked, is no query.
At the end of a round the best wording, if its look replicates, is sampled in full on unused seeds.

``steps`` counts the queries of the budget; where the rules run dry, fewer wordings were asked. No rule, template or
score depends on whether the item is a target or a control.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from palimpsest.contract.methods import ParaphraseParams
from worker.engine import search
from worker.engine.items import Answer, Trial
from worker.engine.model import DiffusionModel
from worker.engine.search import Candidate
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting

TEMPLATES = ("a picture of {}", "an image of {}", "a photo of {}", "a drawing of {}", "{} on a white background")
RULES = ("drop", "swap", "replace", "frame")
MOST_TRIES = 32


@dataclass(frozen=True)
class Lexicon:
    """The words of the neutral prompts, and what the text encoder makes of each: unit vectors, one a row."""

    model: DiffusionModel
    words: list[str]
    vectors: Tensor

    def nearest(self, word: str, n: int) -> list[str]:
        """The n words nearest to ``word``, itself left out."""
        near = self.vectors @ meaning(self.model, [word])[0]
        ranked = [self.words[i] for i in near.argsort(descending=True, stable=True).tolist()]
        return [other for other in ranked if other != word.lower()][:n]


@dataclass
class Inquiry:
    """One trial's questions: its caption's words, what has been asked, and the best wording so far with its score.

    ``promising``: the best wording's look replicates and has not been put to the test.
    """

    trial: int
    start: str
    generator: torch.Generator
    words: list[str]
    asked: set[tuple[int, ...]]
    best: Candidate | None = None
    score: float = float("-inf")
    promising: bool = False


def run(setting: Setting, trials: list[Trial], params: ParaphraseParams) -> list[Answer | None]:
    """Reword round by round, stop those that are confirmed, sample the best wording of the rest."""
    lexicon = lexicon_of(setting)
    inquiries = [inquiry_of(setting, i, trial, params) for i, trial in enumerate(trials)]
    answers: dict[int, Answer] = {}
    for round_ in range(params.rounds):
        still = [inquiry for inquiry in inquiries if inquiry.trial not in answers]
        ask(setting, trials, still, lexicon, params)
        if params.early_stop and round_ < params.rounds - 1:
            answers |= settle(setting, trials, still, params.queries * (round_ + 1))
    rest = [i.best for i in inquiries if i.trial not in answers and i.best is not None]
    answers |= search.finals(setting, trials, rest, params.queries * params.rounds)
    return [answers.get(i) for i in range(len(trials))]


def inquiry_of(setting: Setting, i: int, trial: Trial, params: ParaphraseParams) -> Inquiry:
    """The caption counts as asked: it is another probe's question."""
    generator = generator_for(setting.seed, params.kind, params.name, trial.item.id)
    words = (trial.item.prompt or "").split()
    asked = {tuple(setting.model.tokenize([trial.item.prompt or ""])[0].tolist())}
    return Inquiry(i, "prompt" if words else "neutral", generator, words, asked)


def ask(
    setting: Setting, trials: list[Trial], inquiries: list[Inquiry], lexicon: Lexicon, params: ParaphraseParams
) -> None:
    """One round: new wordings of every open inquiry, all drawn in one batch."""
    candidates = []
    for inquiry in inquiries:
        texts = next_wordings(setting, inquiry, lexicon, params)
        if texts:
            y = setting.model.encode_prompts(texts)
            candidates += [Candidate(inquiry.trial, inquiry.start, *pair) for pair in zip(y, texts, strict=True)]
    by_trial = {inquiry.trial: inquiry for inquiry in inquiries}
    seen = search.draw(setting, trials, candidates, setting.effort.look_images, ("look", "wording"))
    for candidate, pictures in zip(candidates, seen, strict=True):
        inquiry = by_trial[candidate.trial]
        near = setting.score(pictures, trials[candidate.trial].item)
        score = sum(near.similarity) / len(near.similarity)
        if score > inquiry.score:
            inquiry.best, inquiry.score = candidate, score
            inquiry.promising = setting.replicates(near)


def settle(setting: Setting, trials: list[Trial], inquiries: list[Inquiry], queries: int) -> dict[int, Answer]:
    """Of the best wordings whose look replicates, those that unused seeds confirm; each is tried once."""
    hits = [i.best for i in inquiries if i.best is not None and i.promising]
    for inquiry in inquiries:
        inquiry.promising = False
    return search.confirmed(setting, trials, hits, queries)


def next_wordings(setting: Setting, inquiry: Inquiry, lexicon: Lexicon, params: ParaphraseParams) -> list[str]:
    """Up to ``queries`` wordings that have not been asked; fewer where the rules run dry."""
    base = (inquiry.best.text or "").split() if inquiry.best else inquiry.words
    texts: list[str] = []
    for _ in range(MOST_TRIES * params.queries):
        if len(texts) == params.queries:
            break
        text = reworded(base, inquiry.generator, lexicon, params.neighbours) if base else _neutral(setting, inquiry)
        tokens = tuple(setting.model.tokenize([text])[0].tolist())
        if tokens not in inquiry.asked:
            inquiry.asked.add(tokens)
            texts.append(text)
    return texts


def _neutral(setting: Setting, inquiry: Inquiry) -> str:
    return setting.neutral[_draw(len(setting.neutral), inquiry.generator)]


def reworded(words: list[str], generator: torch.Generator, lexicon: Lexicon, neighbours: int) -> str:
    """The words under one rule drawn at random, at a place drawn at random."""
    rule = RULES[_draw(len(RULES), generator)]
    place = _draw(len(words), generator)
    if rule == "drop":
        return " ".join(dropped(words, place))
    if rule == "swap":
        return " ".join(swapped(words, place))
    if rule == "replace":
        near = lexicon.nearest(words[place], neighbours) or [words[place]]
        return " ".join(replaced(words, place, near[_draw(len(near), generator)]))
    return framed(words, place % len(TEMPLATES))


def dropped(words: list[str], place: int) -> list[str]:
    """All but the word at ``place``; a single word stays."""
    return words[:place] + words[place + 1 :] if len(words) > 1 else words


def swapped(words: list[str], place: int) -> list[str]:
    """The word at ``place`` after its right neighbour; the last one, before its left."""
    i = min(place, len(words) - 2)
    return [*words[:i], words[i + 1], words[i], *words[i + 2 :]] if len(words) > 1 else words


def replaced(words: list[str], place: int, word: str) -> list[str]:
    """Another word at ``place``."""
    return [*words[:place], word, *words[place + 1 :]]


def framed(words: list[str], template: int) -> str:
    """The wording within a neutral template."""
    return TEMPLATES[template].format(" ".join(words))


def lexicon_of(setting: Setting) -> Lexicon:
    """Every word of the neutral prompts once, in order of appearance."""
    words = list(dict.fromkeys(word.lower() for prompt in setting.neutral for word in prompt.split()))
    return Lexicon(setting.model, words, meaning(setting.model, words))


def meaning(model: DiffusionModel, words: list[str]) -> Tensor:
    """The mean of the encoder's outputs at a word's own tokens, of unit length, one a row."""
    ids, y = model.tokenize(words), model.encode_prompts(words)
    own = ~torch.isin(ids, torch.tensor(model.special_tokens))
    own = own | (~own.any(dim=1, keepdim=True))
    return F.normalize((y * own.unsqueeze(2)).sum(dim=1) / own.sum(dim=1, keepdim=True), dim=1)


def _draw(n: int, generator: torch.Generator) -> int:
    return int(torch.randint(n, (1,), generator=generator))
