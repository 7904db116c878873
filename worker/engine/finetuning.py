"""What the methods share that train the denoiser's weights: the copy that learns, the loop, and the delta that is left.

    g ← the method's own pull at this step, its norm clipped to c
    θ ← AdamW(θ, g);  θ̄ ← d·θ̄ + (1 − d)·θ          without weight decay AdamW is Adam
    Δ = θ_end − θ*, or θ̄_end − θ*                    θ*: the model under audit, which is never touched

Every random number is drawn from a generator seeded by its step, and a checkpoint holds all else that a step depends
on: a training picked up again is bit by bit the one that was never broken off, and its cost in the report the same.

Shapes: R rows of a batch, x_0 R×C×H×W, y R×L×D.
"""

import copy
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from palimpsest.contract.methods import Params
from worker.engine.edits import DELTA, JOINT, Edit, Rows, said_in
from worker.engine.errors import MethodFailed
from worker.engine.items import Item
from worker.engine.model import DiffusionModel
from worker.engine.setting import Checkpoint, Setting

DROPPED = 0.1
"""Share of captions replaced by "" so that guidance keeps its other half (Ho & Salimans 2021 use 0.1 and 0.2)."""

Gradients = list[Tensor | None]


@dataclass
class Learner(DiffusionModel):
    """A copy of the denoiser some of whose weights collect gradients; all else, and the work, is the original's."""

    def eps(self, x_t: Tensor, t: Tensor, y: Tensor, group: Tensor | None = None) -> Tensor:
        """ε_θ(x_t, t, y). Where gradients are on, rows count as passed with gradient, whatever it is taken for."""
        if torch.is_grad_enabled() and not y.requires_grad:
            y = y.detach().requires_grad_()
        return super().eps(x_t, t, y, group)

    @property
    def theta(self) -> dict[str, Tensor]:
        """The weights in training, by name."""
        return {name: W for name, W in self.unet.named_parameters() if W.requires_grad}


def learner_of(model: DiffusionModel, wanted: Callable[[str], bool]) -> Learner:
    """Training what ``wanted`` says of a parameter's name; raises MethodFailed when that is nothing."""
    pipeline = copy.copy(model.pipeline)
    pipeline.unet = copy.deepcopy(model.unet)
    for name, W in pipeline.unet.named_parameters():
        W.requires_grad_(wanted(name))
    own = {f.name: getattr(model, f.name) for f in fields(DiffusionModel)}
    learner = Learner(**{**own, "pipeline": pipeline, "rows": Rows()})
    if not learner.theta:
        raise MethodFailed("this model has none of the weights that are to be trained")
    return learner


def noised(x_0: Tensor, T: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A fresh (t, ε) for every row: t uniform on 0 … T − 1."""
    t = torch.randint(T, (len(x_0),), generator=generator)
    return t, torch.randn(x_0.shape, generator=generator)


def dropped(y: Tensor, y_empty: Tensor, generator: torch.Generator) -> Tensor:
    """y with one caption in ten replaced by the empty one."""
    gone = torch.rand(len(y), generator=generator) < DROPPED
    return torch.where(gone.view(-1, 1, 1), y_empty, y)


def gradient(learner: Learner, rows: int, terms: Callable[[slice], Tensor]) -> tuple[Gradients, float]:
    """∇_θ Σ_r terms_r and the sum, part by part as memory allows; ``terms`` gives the terms of the rows it is asked."""
    theta = list(learner.theta.values())
    total: Gradients = [None] * len(theta)

    def part(of: slice) -> float:
        loss = terms(of).sum()
        add(total, torch.autograd.grad(loss, theta, allow_unused=True))
        return loss.item()

    return total, sum(learner.parts_with_gradient.of(rows, part))


def add(total: Gradients, more: tuple[Tensor | None, ...]) -> None:
    """total ← total + more; a weight that no row has used has no gradient."""
    for i, g in enumerate(more):
        if g is not None:
            kept = total[i]
            total[i] = g if kept is None else kept.add_(g)


def norm(tensors: Gradients) -> float:
    """‖·‖₂ over all of them together."""
    return float(torch.stack([tensor.norm() for tensor in tensors if tensor is not None]).norm())


@dataclass(frozen=True)
class Recipe:
    """How long and how fast; clip c and decay d of the average are None for neither."""

    steps: int
    learning_rate: float
    weight_decay: float = 0.0
    clip: float | None = None
    ema: float | None = None


@dataclass(frozen=True)
class Pull:
    """What one step pulls θ by, and the losses it saw."""

    gradients: Gradients
    losses: dict[str, float]


@dataclass
class Course:
    """A training under way. ``own`` is what the method carries from step to step, ``identity`` tells it from others."""

    learner: Learner
    recipe: Recipe
    identity: str
    own: dict[str, Tensor] = field(default_factory=dict)
    step: int = 0
    losses: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.theta = self.learner.theta
        r = self.recipe
        self.optimizer = torch.optim.AdamW(self.theta.values(), lr=r.learning_rate, weight_decay=r.weight_decay)
        self.average = {name: W.detach().clone() for name, W in self.theta.items()} if r.ema is not None else {}

    def take(self, pull: Pull) -> None:
        """One step of the optimizer and of the average. Raises MethodFailed when the loss is no number."""
        if not all(math.isfinite(loss) for loss in pull.losses.values()):
            raise MethodFailed(f"the training left the finite numbers at step {self.step}: try a smaller learning_rate")
        for W, g in zip(self.theta.values(), pull.gradients, strict=True):
            W.grad = g
        if self.recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.theta.values(), self.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        for name, mean in self.average.items():
            mean.lerp_(self.theta[name].detach(), 1 - (self.recipe.ema or 0.0))
        for name, loss in pull.losses.items():
            self.losses.setdefault(name, []).append(loss)
        self.step += 1

    def dumps(self, forwards: int, forwards_with_gradient: int, mark: str = "") -> bytes:
        """As safetensors, with what the steps so far have cost, and a mark that is nobody else's."""
        tensors = {f"theta/{name}": W for name, W in self.theta.items()}
        for name, W in self.theta.items():
            tensors |= {f"{key}/{name}": value for key, value in self.optimizer.state[W].items()}
        tensors |= {f"average/{name}": mean for name, mean in self.average.items()}
        tensors |= {f"own/{name}": value for name, value in self.own.items()}
        said = {
            "identity": self.identity,
            "step": self.step,
            "losses": list(self.losses.items()),
            "work": [forwards, forwards_with_gradient],
            "mark": mark,
        }
        plain = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        return save(plain, metadata={"course": json.dumps(said, sort_keys=True)})

    def loads(self, content: bytes) -> tuple[int, int]:
        """Go on from there; what it had cost. The state of another training is left alone, and has cost nothing."""
        said: dict[str, Any] = said_in(content, "course")
        if said["identity"] != self.identity:
            return 0, 0
        into = {"theta": self.theta, "average": self.average, "own": self.own}
        with torch.no_grad():
            for key, tensor in load(content).items():
                kind, _, name = key.partition("/")
                if kind in into:
                    into[kind][name].copy_(tensor)
                else:
                    W = self.theta[name]
                    self.optimizer.state[W][kind] = _shaped_like(W, tensor)
        self.step, self.losses = said["step"], dict(said["losses"])
        return said["work"][0], said["work"][1]


def _shaped_like(W: Tensor, value: Tensor) -> Tensor:
    """In the weight's own memory order; the optimizer's count of steps is a number and stays as it is."""
    return torch.empty_like(W, requires_grad=False).copy_(value) if value.shape == W.shape else value


def identity(setting: Setting, targets: list[Item], params: Params) -> str:
    """sha256 of what a training depends on; code aside, which an audit pins by its engine.

    What it draws for itself, regular pictures and stand-ins, follows from these: the model, how and for which prompts
    and noise it draws, and the descriptor that chooses among stand-ins. So rounding, which another machine or a smaller
    part of a batch may bring into the draws, does not make it another training.
    """
    depends_on = {
        "model": setting.model.digest,
        "descriptor": [setting.descriptor.digest, setting.descriptor.preprocessing],
        "sampler": [setting.sampler.steps, setting.sampler.guidance],
        "neutral": setting.neutral,
        "seed": setting.seed,
        "targets": [[item.id, item.prompt, *map(_sha256, (item.picture, *item.others))] for item in targets],
        "params": params.model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()


def _sha256(picture: Tensor) -> str:
    return hashlib.sha256(picture.numpy().tobytes()).hexdigest()


def train(setting: Setting, course: Course, pull: Callable[[int], Pull]) -> Edit:
    """Every step still to be taken, then Δ. ``pull`` is told the step's number, and may change ``course.own``."""
    work, checkpoint, steps = course.learner.work, setting.checkpoint, course.recipe.steps
    began = work.forwards, work.forwards_with_gradient
    forwards, with_gradient = gone_on_from(checkpoint, course)
    work.forwards, work.forwards_with_gradient = began[0] + forwards, began[1] + with_gradient
    while course.step < steps:
        course.take(pull(course.step))
        if checkpoint and checkpoint.on_step:
            checkpoint.on_step(course.step, steps)
        if checkpoint and course.step < steps and checkpoint.due(course.step):
            spent = work.forwards - began[0], work.forwards_with_gradient - began[1]
            checkpoint.save(course.dumps(*spent, checkpoint.mark))
    return delta_of(setting.model, course)


def gone_on_from(checkpoint: Checkpoint | None, course: Course) -> tuple[int, int]:
    """Bring the course to where it was last kept; what the steps up to there have cost, nothing at its beginning."""
    kept = checkpoint.load() if checkpoint else None
    return (0, 0) if kept is None else course.loads(kept)


def delta_of(model: DiffusionModel, course: Course) -> Edit:
    """Δ of every weight in training."""
    ends = course.average or course.theta
    delta = {name: (W.detach() - model.unet.get_parameter(name).detach()).contiguous() for name, W in ends.items()}
    return Edit(DELTA, {JOINT: delta}, sum(D.numel() for D in delta.values()))


def told(setting: Setting, params: Params, course: Course, edit: Edit) -> str:
    """For the report: how far the weights moved, and the losses at both ends, means over a tenth of the steps."""
    delta = edit.groups[JOINT]
    origin = [setting.model.unet.get_parameter(path).detach() for path in delta]
    moved = norm(list(delta.values())) / norm([*origin])
    tenth = max(1, course.recipe.steps // 10)
    losses = [
        f"{name} loss {sum(seen[:tenth]) / tenth:.4g}, at the end {sum(seen[-tenth:]) / tenth:.4g}"
        for name, seen in course.losses.items()
    ]
    steps = f"{course.recipe.steps} steps moved {edit.size:,} weights by {moved:.2g} of their norm"
    return f"{params.name}: {'; '.join([steps, *losses])}"
