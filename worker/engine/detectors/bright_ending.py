"""Bright ending: how much the text adds where its end token is attended to.

Chen et al., Exploring Local Memorization in Diffusion Models via Bright Ending Attention, ICLR 2025 (arXiv 2410.21665);
code chenchen-usyd/BE-PRSS.

    m  = A at the last step, conditional rows, mean over heads and layers, the end token's column    1×H×W, soft
    LD = mean over steps of ‖(ε_θ(x_t, t, y) − ε_θ(x_t, t, ∅)) ∘ m‖₂ / mean(m)

The layers are those of the first down block, which see every pixel of the latent. The release samples twice, once for
m and once for LD; sampling is deterministic and m is the same for all channels, so the squares of Δ, summed over
channels, are kept per pixel and step instead and weighed at the end: the same number for half the passes.

Shapes: N prompts, S noises, P = H·W pixels, L tokens.
"""

import torch
from torch import Tensor, nn

from palimpsest.contract.methods import BrightEndingParams
from worker.engine.attention import Seen
from worker.engine.errors import MethodFailed
from worker.engine.model import DiffusionModel
from worker.engine.setting import Setting
from worker.engine.trajectory import blocks, follow, noises, repeated

WHERE = "down_blocks.0."


def score(setting: Setting, prompts: list[str], params: BrightEndingParams) -> Tensor:
    """LD of every prompt, N."""
    parts = [local(setting, part, params.images) for part in blocks(prompts, params.images)]
    return torch.cat(parts).unflatten(0, (-1, params.images)).mean(dim=1)


def layers(model: DiffusionModel) -> dict[str, nn.Module]:
    """The cross-attention layers that see every pixel of the latent."""
    return {path: layer for path, layer in model.cross_attention().items() if path.startswith(WHERE)}


def local(setting: Setting, prompts: list[str], S: int) -> Tensor:
    """LD of every prompt and noise, N·S."""
    model, squares = setting.model, list[Tensor]()
    looked_at = layers(model)
    if not looked_at:
        raise MethodFailed("bright_ending needs cross-attention in the first down block, this model has none there")
    seen, last = Seen(lambda A: A.mean(dim=1)), dict[str, Tensor]()

    def step(delta: Tensor) -> None:
        squares.append(delta.pow(2).sum(dim=1).flatten(1))
        last.update(seen.take())

    with model.attention_of(looked_at, see=seen.see):
        follow(setting, repeated(model, prompts, S), noises(setting, len(prompts), S), step)
    A = torch.stack([both.chunk(2)[1] for both in last.values()]).mean(dim=0)
    return masked_magnitude(torch.stack(squares), ending(A, model.lengths(prompts).repeat_interleave(S)))


def ending(A: Tensor, lengths: Tensor) -> Tensor:
    """m, N·S×P: the column of every row's end token in A (N·S×P×L)."""
    column = (lengths - 1).view(-1, 1, 1).expand(-1, A.shape[1], 1)
    return A.gather(2, column).squeeze(2)


def masked_magnitude(squares: Tensor, m: Tensor) -> Tensor:
    """mean_t ‖Δ_t ∘ m‖₂ / mean(m); ``squares`` is steps×N·S×P, Δ² summed over channels, m is N·S×P."""
    return (squares * m.pow(2)).sum(dim=2).sqrt().mean(dim=0) / m.mean(dim=1)
