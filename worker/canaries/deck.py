"""Which picture every row of a training shows.

    D = every canary as often as it has copies, every regular picture once        N canaries, R regular pictures
    pass p = a permutation of D, drawn from a generator of its own;  row r shows D[π_p(r mod |D|)], p = ⌊r / |D|⌋

A canary of n copies is so seen n times a pass, exactly. Pictures 0 … N − 1 are the canaries, N … N + R − 1 the regular.
"""

import math

import torch
from torch import Tensor

from worker.engine.seeds import generator_for


def dealt(copies: list[int], regular: int, rows: int, seed: int) -> Tensor:
    """The picture of every row, as many as ``rows``; ``copies`` N, ``regular`` R."""
    N = len(copies)
    D = torch.cat([torch.arange(N).repeat_interleave(torch.tensor(copies)), torch.arange(N, N + regular)])
    passes = [
        D[torch.randperm(len(D), generator=generator_for(seed, "canaries", "pass", p))]
        for p in range(math.ceil(rows / len(D)))
    ]
    return torch.cat(passes)[:rows]


def left_out(deal: Tensor, canaries: int, regular: int, seed: int) -> Tensor:
    """The same training without its canaries: where one was shown a regular picture is, all other rows as they were."""
    others = torch.randint(
        canaries, canaries + regular, deal.shape, generator=generator_for(seed, "canaries", "left out")
    )
    return torch.where(deal < canaries, others, deal)


def seen(deal: Tensor, canaries: int) -> list[int]:
    """How often every canary is shown, N."""
    counts: list[int] = torch.bincount(deal, minlength=canaries)[:canaries].tolist()
    return counts
