"""Weights switched off or moved for the length of a ``with`` block, and as they were whatever happens inside.

A mitigation by pruning is a mask per layer. Neuron masks (O) silence output channels, weight masks (O×I) silence
single weights. An edit holds one mask set per *group*: one for all rows of a joint mitigation, one per target
otherwise. Rows of one batch may belong to different groups, so that many targets are probed at once, each on its
own mitigated model.

A mitigation by training is a *delta*: what is added to every parameter it moved, in float32, for the whole model.
The mitigated weights are W + Δ, whoever computes them: the audit here, or whoever loads an export.

Shapes: B rows, O outputs, I inputs, G groups.
"""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional as F

JOINT = "all"
DELTA = "delta"
Masks = dict[str, Tensor]


@dataclass(frozen=True)
class Edit:
    """Which neurons or weights are off, by group and layer, ``True`` is off; or, of a delta, Δ by parameter.

    ``what`` is "neurons", "weights" or "delta"; ``size`` is how many there are in those layers.
    """

    what: str
    groups: dict[str, Masks]
    size: int

    def __post_init__(self) -> None:
        if self.what == DELTA and not self.joint:
            raise ValueError("a delta is of the whole model: one for all rows")

    def off(self, group: str) -> int:
        """How many neurons or weights this group switches off, or moves."""
        return sum(int(mask.count_nonzero()) for mask in self.groups[group].values())

    @property
    def joint(self) -> bool:
        """One mask set for every row."""
        return list(self.groups) == [JOINT]

    def index_of(self, group: str) -> int:
        """The place of a group's masks in the stacks of ``applied``."""
        return list(self.groups).index(group)

    def dumps(self) -> bytes:
        """As safetensors, eight masks to a byte or Δ as it is; equal edits are equal bytes."""
        tensors, shapes = {}, {}
        for g, masks in enumerate(self.groups.values()):
            for layer, mask in masks.items():
                tensors[f"{g}/{layer}"] = mask.contiguous() if self.what == DELTA else _packed(mask)
                shapes[layer] = list(mask.shape)
        said = {"what": self.what, "size": self.size, "groups": list(self.groups), "shapes": shapes}
        # Under one key, for safetensors writes several in an order of its own each time.
        return save(tensors, metadata={"edit": json.dumps(said, sort_keys=True)})


def loads(content: bytes) -> Edit:
    """The edit that ``Edit.dumps`` wrote."""
    said = said_in(content, "edit")
    names = said["groups"]
    groups: dict[str, Masks] = {name: {} for name in names}
    for key, kept in sorted(load(content).items()):
        g, layer = key.split("/", 1)
        groups[names[int(g)]][layer] = kept if said["what"] == DELTA else _unpacked(kept, said["shapes"][layer])
    return Edit(said["what"], groups, said["size"])


def _packed(mask: Tensor) -> Tensor:
    return torch.from_numpy(np.packbits(mask.numpy().reshape(-1)))


def _unpacked(packed: Tensor, shape: list[int]) -> Tensor:
    bits = np.unpackbits(packed.numpy(), count=int(np.prod(shape)))
    return torch.from_numpy(bits.astype(bool)).view(shape)


def said_in(content: bytes, key: str) -> dict[str, Any]:
    """What a safetensors file says of itself under one key of its metadata."""
    length = int.from_bytes(content[:8], "little")
    return dict(json.loads(json.loads(content[8 : 8 + length])["__metadata__"][key]))


@dataclass(frozen=True)
class Mitigated:
    """What a mitigation makes of a model: what to switch off (None: nothing), and notes for the report."""

    edit: Edit | None
    scope: str | None
    notes: list[str] = field(default_factory=list)


class Rows:
    """Which group every row of the running part belongs to, and which row of its batch it begins with.

    The model sets both before each call. A part that does not fit into memory is run again, smaller, from the same row:
    whoever looks on keeps what was seen by ``start``, and sees it replaced.
    """

    def __init__(self) -> None:
        self.group: Tensor | None = None
        self.start = 0


class _Silenced(nn.Module):
    """A linear layer some of whose output channels are off, differently for every row's group."""

    def __init__(self, linear: nn.Linear, off_GO: Tensor, rows: Rows) -> None:
        super().__init__()
        self.linear, self.rows = linear, rows
        self.keep_GO = (~off_GO).to(linear.weight.dtype)

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        if self.rows.group is None:
            return y * self.keep_GO[0]
        return y * self.keep_GO[self.rows.group].unsqueeze(1)


class _Pruned(nn.Module):
    """A linear layer some of whose weights are off, differently for every row's group."""

    def __init__(self, linear: nn.Linear, off_GOI: Tensor, rows: Rows) -> None:
        super().__init__()
        self.linear, self.rows = linear, rows
        self.W_GOI = linear.weight.detach() * (~off_GOI)

    def forward(self, x: Tensor) -> Tensor:
        if self.rows.group is None or len(self.W_GOI) == 1:
            return F.linear(x, self.W_GOI[0], self.linear.bias)
        y = x.new_empty(*x.shape[:-1], self.linear.out_features)
        for g in self.rows.group.unique().tolist():
            mine = self.rows.group == g
            y[mine] = F.linear(x[mine], self.W_GOI[g], self.linear.bias)
        return y


def applied(root: nn.Module, edit: Edit, rows: Rows) -> AbstractContextManager[None]:
    """Put the edit in place; ``rows.group`` then says whose masks every row of a batch meets."""
    return _moved(root, edit.groups[JOINT]) if edit.what == DELTA else _masked(root, edit, rows)


@contextmanager
def _moved(root: nn.Module, delta: Masks) -> Iterator[None]:
    """W + Δ stands in for W; the very same W comes back."""
    kept: list[tuple[nn.Module, str, nn.Parameter]] = []
    try:
        for path, D in delta.items():
            owner_path, _, name = path.rpartition(".")
            owner, W = root.get_submodule(owner_path), root.get_parameter(path)
            if W.shape != D.shape:
                raise TypeError(f"{path} is {list(W.shape)}, its delta {list(D.shape)}")
            kept.append((owner, name, W))
            owner._parameters[name] = nn.Parameter(torch.empty_like(W).copy_(W.detach() + D), requires_grad=False)
        yield
    finally:
        for owner, name, W in kept:
            owner._parameters[name] = W


def as_delta(root: nn.Module, edit: Edit) -> Edit:
    """The same joint edit in one form: Δ = −W where a mask is on, so that W + Δ is 0 there."""
    if edit.what == DELTA:
        return edit
    delta: Masks = {}
    for path, mask in edit.groups[JOINT].items():
        W = root.get_parameter(f"{path}.weight").detach()
        neurons = edit.what == "neurons"
        off = mask.unsqueeze(1).expand_as(W) if neurons else mask
        delta[f"{path}.weight"] = torch.where(off, -W, 0.0)
        bias = root.get_submodule(path).bias
        if neurons and isinstance(bias, Tensor):
            delta[f"{path}.bias"] = torch.where(mask, -bias.detach(), 0.0)
    return Edit(DELTA, {JOINT: delta}, sum(D.numel() for D in delta.values()))


@contextmanager
def _masked(root: nn.Module, edit: Edit, rows: Rows) -> Iterator[None]:
    layers = sorted({layer for masks in edit.groups.values() for layer in masks})
    kept: list[tuple[nn.Module, str, nn.Module]] = []
    try:
        for path in layers:
            parent_path, _, name = path.rpartition(".")
            parent = root.get_submodule(parent_path)
            linear = parent.get_submodule(name)
            if not isinstance(linear, nn.Linear):
                raise TypeError(f"{path} is {type(linear).__name__}, not a linear layer")
            shape = linear.weight.shape[:1] if edit.what == "neurons" else linear.weight.shape
            off = torch.stack([masks.get(path, torch.zeros(shape, dtype=torch.bool)) for masks in edit.groups.values()])
            swapped = _Silenced(linear, off, rows) if edit.what == "neurons" else _Pruned(linear, off, rows)
            kept.append((parent, name, linear))
            parent._modules[name] = swapped
        yield
    finally:
        for parent, name, linear in kept:
            parent._modules[name] = linear
        rows.group = None
