"""Ask with a text found token by token.

Wen et al., Hard Prompts Made Easy (PEZ), NeurIPS 2023 (arXiv 2302.03668); code YuxinWenRick/hard-prompts-made-easy,
commit 22248e4. The objective is the diffusion loss of the image, as in Zhang et al., UnlearnDiffAtk (arXiv 2310.11868).

    ẽ      = Proj_E(P)                                     every soft row of P becomes the token of largest cosine
    L(ẽ)   = E_{t, ε} ‖ε − ε_θ(x_t, t, y(ẽ))‖²             y: the text encoder, run on token embeddings
    P      ← AdamW(P, ∇_ẽ L)                               the gradient is taken at the projection, applied to P

Threat model: whoever finds the text needs weights and gradients once; the text works through a text box, for anyone.
So what is ranked, drawn and reported is never ẽ but the *text*: tokens are written out, typed in again and encoded as
the pipeline encodes any prompt. To survive that, only tokens are used that come back as themselves when typed alone;
beside them every position may keep the piece of the caption it began with.

A single batch's loss is noisy: at every look the best few projections since the last one compete, with the best of
before, on noise kept apart. A walk whose loss leaves the finite numbers ends; a trial with no other has no answer.

Shapes: R walks, K free tokens, B noise pairs, L tokens, D width, V tokens of the vocabulary, P K×D, E V×D.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from palimpsest.contract.methods import AdversarialTokensParams
from worker.engine import search
from worker.engine.items import Answer, Trial
from worker.engine.model import DiffusionModel
from worker.engine.search import Candidate
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting

CONTENDERS = 4


@dataclass(frozen=True)
class Vocabulary:
    """The tokens a text box returns as they were, and the unit vectors of their embeddings (V×D)."""

    ids: Tensor
    E: Tensor


@dataclass
class Walk:
    """One search: soft embeddings P on their way, and the tokens they are nearest to.

    ``ids`` is the whole sequence (L) as begun; positions 1 … K are free. ``visited`` holds, since the last look, the
    lowest loss of every projection.
    """

    trial: int
    start: str
    ids: Tensor
    P: Tensor
    generator: torch.Generator
    loss: list[float] = field(default_factory=list)
    visited: dict[tuple[int, ...], float] = field(default_factory=dict)
    finite: bool = True

    @property
    def begun(self) -> Tensor:
        """The K tokens it began with."""
        return self.ids[1 : 1 + len(self.P)]


def run(setting: Setting, trials: list[Trial], params: AdversarialTokensParams) -> list[Answer | None]:
    """Search for every trial, stop those that are confirmed, sample the rest."""
    x_0 = setting.latents(trials)
    vocabulary = typeable(setting.model)
    walks = begin(setting, trials, vocabulary, params)
    optimizer = torch.optim.AdamW([walk.P for walk in walks], lr=params.learning_rate, weight_decay=params.weight_decay)
    answers: dict[int, Answer] = {}
    best: dict[int, Candidate] = {}
    step = 0
    for look in [*(look for look in setting.effort.looks if look < params.steps), params.steps]:
        while step < look and (going := still_open(walks, answers)):
            descend(setting, trials, going, x_0, vocabulary, optimizer, params.batch_size)
            step += 1
        best |= contest(setting, trials, still_open(walks, answers), best, x_0, vocabulary)
        standing = [c for i, c in best.items() if i not in answers]
        if look < params.steps and params.early_stop:
            answers |= search.looked_at(setting, trials, standing, look)
        if look == params.steps:
            answers |= search.finals(setting, trials, standing, params.steps)
    return [answers.get(i) for i in range(len(trials))]


def still_open(walks: list[Walk], answers: dict[int, Answer]) -> list[Walk]:
    """The searches that go on."""
    return [walk for walk in walks if walk.finite and walk.trial not in answers]


def typeable(model: DiffusionModel) -> Vocabulary:
    """Every token whose text, typed alone, is read as that very token."""
    special = set(model.special_tokens)
    ids = [i for i in range(len(model.token_table)) if i not in special]
    end = int(model.tokenize([""])[0, 1])
    typed = model.tokenize([model.text_of([i]) for i in ids])
    same = torch.tensor([row[1] == i and row[2] == end for i, row in zip(ids, typed.tolist(), strict=True)])
    kept = torch.tensor(ids)[same]
    return Vocabulary(kept, F.normalize(model.token_table[kept], dim=1))


def begin(setting: Setting, trials: list[Trial], vocabulary: Vocabulary, params: AdversarialTokensParams) -> list[Walk]:
    """Every start of every trial; a caption that is not known or empty is replaced by random tokens."""
    walks = []
    for i, trial in enumerate(trials):
        for kind in params.starts:
            for restart in range(params.restarts or setting.effort.restarts):
                purpose = (params.kind, params.name, trial.item.id, kind, restart)
                generator = generator_for(setting.seed, *purpose)
                walks.append(_begun(setting.model, i, trial, kind, generator, vocabulary, params.tokens))
    return walks


def _begun(
    model: DiffusionModel,
    i: int,
    trial: Trial,
    kind: str,
    generator: torch.Generator,
    vocabulary: Vocabulary,
    tokens: int,
) -> Walk:
    special = set(model.special_tokens)
    ids = model.tokenize([trial.item.prompt or ""])[0]
    K = sum(token not in special for token in ids.tolist())
    if kind == "random" or K == 0:
        kind, K = "random", min(tokens, len(ids) - 2)
        drawn = torch.randint(len(vocabulary.ids), (K,), generator=generator)
        ids = model.tokenize([""])[0]
        ids[1 : 1 + K] = vocabulary.ids[drawn]
    P = model.token_table[ids[1 : 1 + K]].clone().requires_grad_()
    return Walk(i, kind, ids, P, generator)


def project(model: DiffusionModel, walk: Walk, vocabulary: Vocabulary) -> Tensor:
    """Proj_E(P): per row the token of largest cosine, among the vocabulary and the token that row began with: K."""
    P = F.normalize(walk.P.detach(), dim=1)
    near, nearest = (P @ vocabulary.E.T).max(dim=1)
    own = (P * F.normalize(model.token_table[walk.begun], dim=1)).sum(dim=1)
    return torch.where(own >= near, walk.begun, vocabulary.ids[nearest])


def descend(
    setting: Setting,
    trials: list[Trial],
    walks: list[Walk],
    x_0: Tensor,
    vocabulary: Vocabulary,
    optimizer: torch.optim.Optimizer,
    B: int,
) -> None:
    """One AdamW step of every open walk: ∇_ẽ L, taken at the projections, is P's gradient."""
    model = setting.model
    now = [project(model, walk, vocabulary) for walk in walks]
    leaves = [model.token_table[ids].clone().requires_grad_() for ids in now]
    t = torch.cat([torch.randint(len(model.alpha_bar), (B,), generator=walk.generator) for walk in walks])
    eps = torch.cat([torch.randn((B, *x_0.shape[1:]), generator=walk.generator) for walk in walks])
    y = encoded(model, walks, leaves)
    which = torch.tensor([walk.trial for walk in walks])
    hear = setting.realized(y.detach(), [walk.generator for walk in walks], B)
    losses, to_y = search.gradients(setting, trials, which, x_0, y.detach(), t, eps, hear)
    to_e = torch.autograd.grad(y, leaves, grad_outputs=to_y)
    optimizer.zero_grad()
    for walk, ids, gradient, loss in zip(walks, now, to_e, losses.tolist(), strict=True):
        walk.finite = math.isfinite(loss)
        if walk.finite:
            walk.P.grad = gradient
            walk.loss.append(round(loss, 5))
            visited = tuple(ids.tolist())
            walk.visited[visited] = min(loss, walk.visited.get(visited, math.inf))
    optimizer.step()


def encoded(model: DiffusionModel, walks: list[Walk], leaves: list[Tensor]) -> Tensor:
    """y(ẽ), R×L×D: the fixed tokens' embeddings around the free ones."""
    table = model.token_table
    ids = torch.stack([walk.ids for walk in walks])
    whole = [
        torch.cat([table[walk.ids[:1]], e, table[walk.ids[1 + len(e) :]]])
        for walk, e in zip(walks, leaves, strict=True)
    ]
    return model.encode_tokens(ids, torch.stack(whole))


def contest(
    setting: Setting,
    trials: list[Trial],
    walks: list[Walk],
    best: dict[int, Candidate],
    x_0: Tensor,
    vocabulary: Vocabulary,
) -> dict[int, Candidate]:
    """The best text of every trial so far: that of before, and each walk's newest and best few since."""
    candidates = [best[i] for i in sorted({walk.trial for walk in walks} & set(best))]
    for walk in walks:
        few = sorted(walk.visited, key=lambda ids, walk=walk: walk.visited[ids])[:CONTENDERS]  # type: ignore[misc]
        newest = tuple(project(setting.model, walk, vocabulary).tolist())
        candidates += [_candidate(setting.model, walk, ids) for ids in dict.fromkeys([newest, *few])]
        walk.visited = {}
    return search.best_of(setting, trials, candidates, x_0)


def _candidate(model: DiffusionModel, walk: Walk, ids: tuple[int, ...]) -> Candidate:
    """The tokens as the text they are, typed in and encoded."""
    text = model.text_of(list(ids))
    return Candidate(walk.trial, walk.start, model.encode_prompts([text])[0], text, walk.loss)
