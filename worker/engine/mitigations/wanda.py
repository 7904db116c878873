"""Wanda: prune the feed-forward weights that a memorized prompt leans on.

Chavhan et al., Memorized Images in Diffusion Models share a Subspace that can be Located and Deleted
(arXiv 2406.18566); importance by Sun et al., A Simple and Effective Pruning Approach (arXiv 2306.11695, Eq. 1).

    A_j  = ‖H_j‖₂            the column norm of the second linear layer's inputs, rows of H scaled to unit length
    S_ij = |W_ij| · A_j
    prune W_ij where S_ij is among the ⌊s·I⌋ largest of row i for the target and exceeds the base prompt's S_ij,
    united over the first τ denoising steps; the base prompt is ""

Both halves of the guided call count, as in the release (ruchikachavhan/concept-prune, commit 72927d9).

Shapes: N targets, T tokens, I inputs, O outputs.
"""

import torch
from torch import Tensor

from palimpsest.contract.methods import WandaParams
from worker.engine.diffusion import sample
from worker.engine.edits import JOINT, Edit, Masks, Mitigated
from worker.engine.errors import MethodFailed
from worker.engine.items import Item
from worker.engine.seeds import noise
from worker.engine.setting import Setting

Norms = list[dict[str, Tensor]]


def apply(setting: Setting, targets: list[Item], params: WandaParams) -> Mitigated:
    """One mask per target that has a prompt, or one for all of them."""
    prompted = [target for target in targets if target.prompt is not None]
    if not prompted:
        raise MethodFailed("wanda looks at prompts and none of these targets has one")
    layers = setting.model.feedforward_layers()
    A_target = column_norms(setting, [target.prompt or "" for target in prompted], params.timesteps)
    A_base = column_norms(setting, [""] * len(prompted), params.timesteps)
    weights = {path: layer.weight.detach() for path, layer in layers.items()}
    size = sum(W.numel() for W in weights.values())
    if params.scope == "joint":
        together = masks(weights, pooled(A_target), pooled(A_base), 0, params.sparsity)
        return Mitigated(Edit("weights", {JOINT: together}, size), params.scope)
    groups = {target.id: masks(weights, A_target, A_base, i, params.sparsity) for i, target in enumerate(prompted)}
    notes = [f"{t.id} has no prompt: wanda prunes nothing for it" for t in targets if t.prompt is None]
    groups |= {target.id: {} for target in targets if target.prompt is None}
    return Mitigated(Edit("weights", groups, size), params.scope, notes)


def column_norms(setting: Setting, prompts: list[str], timesteps: int) -> Norms:
    """A for each of the first ``timesteps`` steps and each layer: N×I. Every prompt starts from the same noise."""
    return column_norms_of(setting, setting.model.encode_prompts(prompts), timesteps)


def column_norms_of(setting: Setting, y: Tensor, timesteps: int) -> Norms:
    """A for any embeddings y (N×L×D), a prompt's or a trigger's."""
    model, N = setting.model, len(y)
    squares: list[dict[str, dict[int, Tensor]]] = []

    def read(path: str, h: Tensor) -> None:
        rows = h / h.norm(dim=-1, keepdim=True).clamp(min=1e-12)
        squares[-1].setdefault(path, {})[model.rows.start] = rows.pow(2).sum(dim=1)

    def eps_theta(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        squares.append({})
        return model.eps(x_t, t, y)

    x_T = noise(model.latent_shape, [("wanda",)], setting.seed).repeat(N, 1, 1, 1)
    with model.inputs_of(model.feedforward_layers(), read):
        sample(
            eps_theta,
            x_T,
            y,
            model.encode_prompts([""]),
            steps=setting.sampler.steps,
            g=setting.sampler.guidance,
            alpha_bar=model.alpha_bar,
            first=min(timesteps, setting.sampler.steps),
        )
    return [
        {path: _both_halves(torch.cat(list(parts.values()))).sqrt() for path, parts in step.items()} for step in squares
    ]


def _both_halves(columns: Tensor) -> Tensor:
    """Σ over the guided call's unconditional and conditional row of every prompt, 2N×I → N×I."""
    unconditional, conditional = columns.chunk(2)
    return unconditional + conditional


def pooled(A: Norms) -> Norms:
    """One A over all prompts, √(Σ A²): 1×I."""
    return [{path: rows.pow(2).sum(dim=0, keepdim=True).sqrt() for path, rows in step.items()} for step in A]


def masks(weights: Masks, A_target: Norms, A_base: Norms, i: int, sparsity: float) -> Masks:
    """The union over timesteps of what is important for prompt i and more so than for the base prompt."""
    united = {}
    for path, W in weights.items():
        mask = torch.zeros_like(W, dtype=torch.bool)
        for target, base in zip(A_target, A_base, strict=True):
            S_target = importance(W, target[path][i])
            mask |= most_important(S_target, sparsity) & (S_target > importance(W, base[path][i]))
        united[path] = mask
    return united


def importance(W_OI: Tensor, A_I: Tensor) -> Tensor:
    """S_ij = |W_ij| · A_j"""
    return W_OI.abs() * A_I


def most_important(S_OI: Tensor, sparsity: float) -> Tensor:
    """True at the ⌊s·I⌋ largest entries of every row."""
    n = int(sparsity * S_OI.shape[1])
    mask = torch.zeros_like(S_OI, dtype=torch.bool)
    return mask.scatter_(1, S_OI.topk(n, dim=1).indices, value=True)
