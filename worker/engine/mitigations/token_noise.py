"""Token noise: disturb the prompt at random before it is heard, anew for every picture.

Somepalli et al., Understanding and Mitigating Copying in Diffusion Models, NeurIPS 2023 (arXiv 2305.20086);
code somepago/DCR, commit 6c03709.

    random_tokens    RTA   r times: insert a random token's text between two words
    random_numbers   RNA   r times: insert a random integer under 100,000
    repeated_words   CWR   r times: insert a copy of one of the prompt's words
    gaussian         GNI   y' = y + λ·ξ,  ξ ~ N(0, I)

The first three work on words. Asked with an embedding, which has none, the same is done to its rows (ours): r times, a
row is inserted behind the first at a random place, those behind it move on by one and the last falls off. The inserted
row is what the encoder makes of a random word standing alone, from a list drawn once, or a copy of another row.

Shapes: R rows, L tokens, D width.
"""

import torch
from torch import Generator, Tensor

from palimpsest.contract.methods import TokenNoiseParams
from worker.engine.conditioning import Conditioned, Conditioning, Values
from worker.engine.items import Item
from worker.engine.model import DiffusionModel
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting

NUMBERS = 100_000
LISTED = 32


def apply(setting: Setting, targets: list[Item], params: TokenNoiseParams) -> Conditioned:
    """The conditioning, with the words an embedding is disturbed by. No target is looked at."""
    generator = generator_for(setting.seed, "token_noise", "words")
    drawn = [word(setting.model, params.noise, generator) for _ in range(LISTED)]
    values: Values = {
        "noise": params.noise,
        "repeats": params.repeats,
        "strength": params.strength,
        "words": drawn if params.noise in ("random_tokens", "random_numbers") else [],
    }
    return Conditioned(conditioning(values))


def conditioning(values: Values) -> Conditioning:
    """From what ``apply`` wrote down."""
    kind, r = values["noise"], values["repeats"]
    if kind == "gaussian":
        return Conditioning("token_noise", values, perturb=lambda _, y, own: gaussian(y, values["strength"], own))

    def reword(model: DiffusionModel, prompt: str, generator: Generator) -> str:
        for _ in range(r):
            own = prompt.split(" ")
            new = copied(own, generator) if kind == "repeated_words" else word(model, kind, generator)
            prompt = inserted(own, new, generator)
        return prompt

    def perturb(model: DiffusionModel, y: Tensor, generators: list[Generator]) -> Tensor:
        rows_D = model.encode_prompts(values["words"])[:, 1] if values["words"] else None
        return torch.stack([shifted(row, r, rows_D, own) for row, own in zip(y, generators, strict=True)])

    return Conditioning("token_noise", values, reword=reword, perturb=perturb)


def word(model: DiffusionModel, kind: str, generator: Generator) -> str:
    """What is inserted: a number, or the text of a token that stands for text."""
    if kind == "random_numbers":
        return str(below(NUMBERS, generator))
    special = set(model.special_tokens)
    while True:
        token = below(len(model.token_table), generator)
        if token not in special and model.text_of([token]):
            return model.text_of([token])


def copied(words: list[str], generator: Generator) -> str:
    """One of the prompt's own words."""
    return words[below(len(words), generator)]


def inserted(words: list[str], new: str, generator: Generator) -> str:
    """The prompt with a word more, before, between or behind its own with equal chances."""
    place = below(len(words) + 1, generator)
    return " ".join([*words[:place], new, *words[place:]])


def gaussian(y: Tensor, strength: float, generators: list[Generator]) -> Tensor:
    """y + λ·ξ, ξ from every row's own generator."""
    xi = torch.stack([torch.randn(y.shape[1:], generator=own) for own in generators])
    return y + strength * xi


def shifted(y: Tensor, r: int, rows_D: Tensor | None, generator: Generator) -> Tensor:
    """One embedding L×D with r rows inserted behind its first; from ``rows_D`` or, without them, of its own."""
    L = len(y)
    for _ in range(r):
        source = y[1:] if rows_D is None else rows_D
        place, which = 1 + below(L - 1, generator), below(len(source), generator)
        y = torch.cat([y[:place], source[which : which + 1], y[place:-1]])
    return y


def below(n: int, generator: Generator) -> int:
    """A random integer from 0 to n − 1."""
    return int(torch.randint(n, (1,), generator=generator))
