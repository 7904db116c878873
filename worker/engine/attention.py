"""Cross-attention with its softmax written out, so that probabilities can be seen and logits changed.

    A = softmax(QKᵀ/√d)       O = A·V

Fused attention hides A. Inside ``written_out`` the layers given compute it; what they compute is the same up to
rounding, and every layer has its own way back when the block ends.

Shapes: B rows, H heads, P pixels (row by row), L tokens, d width of a head. A batch may pass in parts; ``start`` is
the row of the batch that a part begins with.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from worker.engine.errors import MethodFailed

Alter = Callable[[Tensor, int], Tensor]
See = Callable[[str, Tensor, int], None]


class _WrittenOut:
    """What stands in for a layer's fused attention: ``alter`` gets its logits B×H×P×L, ``see`` its A of that shape."""

    def __init__(self, path: str, start: Callable[[], int], alter: Alter | None, see: See | None) -> None:
        self.path, self.start, self.alter, self.see = path, start, alter, see

    def __call__(
        self,
        attention: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        """O of one layer, B×P×C."""
        if attention_mask is not None:
            raise MethodFailed(f"{self.path} is given an attention mask, which this engine does not expect")
        Q = _heads(attention.to_q(hidden_states), attention.heads)
        K, V = (_heads(linear(encoder_hidden_states), attention.heads) for linear in (attention.to_k, attention.to_v))
        logits = Q @ K.transpose(2, 3) * Q.shape[3] ** -0.5
        A = (logits if self.alter is None else self.alter(logits, self.start())).softmax(dim=3)
        if self.see is not None:
            self.see(self.path, A.detach(), self.start())
        out = (A @ V).transpose(1, 2).flatten(2)
        for layer in attention.to_out:
            out = layer(out)
        return out


def _heads(x: Tensor, H: int) -> Tensor:
    """B×N×(H·d) → B×H×N×d"""
    return x.unflatten(2, (H, -1)).transpose(1, 2)


@contextmanager
def written_out(
    layers: dict[str, nn.Module], start: Callable[[], int], alter: Alter | None = None, see: See | None = None
) -> Iterator[None]:
    """These cross-attention layers compute A step by step; of blocks inside one another the inner holds."""
    before = {path: layer.processor for path, layer in layers.items()}
    try:
        for path, layer in layers.items():
            layer.set_processor(_WrittenOut(path, start, alter, see))  # type: ignore[operator]
        yield
    finally:
        for path, processor in before.items():
            layers[path].set_processor(processor)  # type: ignore[operator]


class Seen:
    """A of one call of the denoiser, by layer; a call that passed in parts is put together again.

    ``keep`` says what is kept of an A, so that the rest is not held in memory. A part run again replaces itself.
    """

    def __init__(self, keep: Callable[[Tensor], Tensor]) -> None:
        self._keep = keep
        self._parts: dict[str, dict[int, Tensor]] = {}

    def see(self, path: str, A: Tensor, start: int) -> None:
        """For ``written_out``."""
        self._parts.setdefault(path, {})[start] = self._keep(A)

    def take(self) -> dict[str, Tensor]:
        """What was kept since the last time, in the order in which the layers ran."""
        taken = {path: torch.cat([parts[start] for start in sorted(parts)]) for path, parts in self._parts.items()}
        self._parts = {}
        return taken
