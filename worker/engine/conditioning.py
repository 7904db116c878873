"""What a mitigation at the input puts between the asker and the denoiser. No weight is touched.

    caption ──reword──▸ text encoder ──▸ y ──perturb──▸ y' ──settle on x_T──▸ y'' ──▸ ε_θ, its attention altered

A conditioning fills in the places it works at and leaves the others alone. ``reword`` is for those who type a caption;
where it is given, ``perturb`` stands for the same on an embedding, which has no words. Randomness comes from generators
that are handed in.

A probe meets a conditioning in one of two ways. *In its loop*: the asker cannot get round it, everything drawn is drawn
through it, and a search takes its gradients through it, every step on fresh realizations. *Bypassed*: whoever holds
the weights does not run it; that is the unmitigated model, bit for bit.

Shapes: R rows, N embeddings, S pictures or noise pairs of each, y …×L×D, x_T N×S×C×H×W.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor

from worker.engine.model import DiffusionModel

Reword = Callable[[DiffusionModel, str, Generator], str]
Perturb = Callable[[DiffusionModel, Tensor, list[Generator]], Tensor]
Settle = Callable[[DiffusionModel, Tensor, Tensor], Tensor]
Attend = Callable[[Tensor, Tensor], Tensor]
Hear = Callable[[Tensor, slice], Tensor]
Values = dict[str, Any]
OPENING = b'{"kind":'
"""By which the bytes of a conditioning are told from those of an edit."""


@dataclass(frozen=True)
class Conditioning:
    """Where a mitigation works, and the ``values`` it was made with, from which it can be made again.

    ``reword(model, caption, generator)``: another caption.
    ``perturb(model, y, generators)``: R×L×D → R×L×D, a generator a row, differentiable in y.
    ``settle(model, y, x_T)``: N×S×L×D → the same, from the noise N×S×C×H×W that will be drawn from; no gradient.
    ``attend(logits, lengths)``: R×H×P×L → the same, given how many tokens every row's text has: 0 on the unconditional
    half, L + 1 for an embedding, of which no token is known to be end or padding.
    """

    kind: str
    values: Values
    reword: Reword | None = None
    perturb: Perturb | None = None
    settle: Settle | None = None
    attend: Attend | None = None

    what = "inputs"
    joint = True

    def dumps(self) -> bytes:
        """As JSON that begins with OPENING; equal conditionings are equal bytes."""
        return json.dumps({"kind": self.kind, "values": self.values}, sort_keys=True).encode()


@dataclass(frozen=True)
class Conditioned:
    """What a mitigation at the input makes of a model: its weights are as they were, and this stands before it."""

    edit: Conditioning
    notes: list[str] = field(default_factory=list)
    scope: str = "joint"


def generate(
    model: DiffusionModel,
    conditioning: Conditioning,
    x_T: Tensor,
    y: Tensor,
    *,
    captions: list[str] | None,
    generators: list[Generator],
    steps: int,
    g: float,
) -> Tensor:
    """Pictures N·S×3×H×W through the conditioning, from x_T (N×S×C×H×W) and y (N×L×D), a generator a picture.

    ``captions``: what y encodes, one a row, where the asker typed it. An embedding has no length.
    """
    N, S = x_T.shape[:2]
    L = y.shape[1]
    lengths = torch.full((N * S,), L + 1)
    y_NS = y.repeat_interleave(S, dim=0)
    if captions is not None:
        said = [caption for caption in captions for _ in range(S)]
        if conditioning.reword is not None:
            said = [conditioning.reword(model, c, own) for c, own in zip(said, generators, strict=True)]
            y_NS = model.encode_prompts(said)
        lengths = model.lengths(said)
    if conditioning.perturb is not None and (captions is None or conditioning.reword is None):
        y_NS = conditioning.perturb(model, y_NS, generators)
    if conditioning.settle is not None:
        y_NS = conditioning.settle(model, y_NS.unflatten(0, (N, S)), x_T).flatten(0, 1)
    return _sample(model, conditioning, x_T.flatten(0, 1), y_NS, lengths, steps=steps, g=g)


@torch.no_grad()
def _sample(
    model: DiffusionModel, conditioning: Conditioning, x_T: Tensor, y: Tensor, lengths: Tensor, *, steps: int, g: float
) -> Tensor:
    with standing(model, conditioning, torch.cat([torch.zeros_like(lengths), lengths])):
        return model.generate(x_T, y, steps=steps, g=g)


@contextmanager
def standing(model: DiffusionModel, conditioning: Conditioning | None, lengths: Tensor | None = None) -> Iterator[None]:
    """The denoiser with its attention altered, if there is a conditioning and it alters it.

    ``lengths`` are those of every row of a batch; without them each row is of the conditional half, and an embedding.
    """
    attend = conditioning.attend if conditioning is not None else None
    if attend is None:
        yield
        return

    def alter(logits: Tensor, start: int) -> Tensor:
        B, L = len(logits), logits.shape[3]
        return attend(logits, torch.full((B,), L + 1) if lengths is None else lengths[start : start + B])

    with model.attention_of(model.cross_attention(), alter=alter):
        yield


def as_it_is(rows: Tensor, _: slice) -> Tensor:
    """What is heard of an embedding where nothing stands in front."""
    return rows


def realized(
    model: DiffusionModel, conditioning: Conditioning | None, y: Tensor, generators: list[Generator], S: int
) -> Hear:
    """One realization of the randomness for a step of a search: ``hear(rows, part)`` is what the denoiser hears.

    y is N×L×D, ``rows`` those of y.repeat_interleave(S) that ``part`` names; gradients pass from what is heard to the
    rows, and asking twice for a part gives the same twice. Each row is perturbed anew. ``settle`` costs passes of its
    own: one noise a search is settled on, and the gradient passes straight through, as if what is heard were y plus a
    constant (Athalye et al., ICML 2018, backward-pass differentiable approximation).
    """
    if conditioning is None:
        return as_it_is
    shift = torch.zeros_like(y)
    if conditioning.settle is not None:
        x_T = torch.stack([torch.randn((1, *model.latent_shape), generator=own) for own in generators])
        shift = conditioning.settle(model, y.detach().unsqueeze(1), x_T)[:, 0] - y.detach()
    perturb, seeds = conditioning.perturb, list[int]()
    if perturb is not None:
        seeds = torch.cat([torch.randint(2**62, (S,), generator=own) for own in generators]).tolist()

    def hear(rows: Tensor, part: slice) -> Tensor:
        rows = rows + shift[torch.arange(part.start, part.stop) // S]
        return rows if perturb is None else perturb(model, rows, [Generator().manual_seed(n) for n in seeds[part]])

    return hear
