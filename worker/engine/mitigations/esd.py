"""ESD: the caption shall lead away from where it led.

Gandikota et al., Erasing Concepts from Diffusion Models, ICCV 2023 (arXiv 2303.07345); code rohitgandikota/erasing,
commit 25613d2. ε* is the frozen model, c a memorized caption, ∅ the empty one.

    L = ‖ε_θ(x_t, t, c) − target‖²                          the mean over C·H·W
    paper:  target = ε*(x_t, ∅) − η·(ε*(x_t, c) − ε*(x_t, ∅))
    port:   target = ε*(x_t, c) − η·(ε*(x_t, c) − ε*(x_t, ∅))        the same with η one larger

x_t is the frozen model's own draw for c at guidance 3, broken off at a random one of 50 steps (the paper draws from the
model in training). A row of the batch is a target at random; the rows of a step share the step they are broken off at.

Shapes: B rows, x_t B×C×H×W, y B×L×D.
"""

import re

import torch
from torch import Tensor, nn

from palimpsest.contract.methods import EsdParams
from worker.engine import finetuning
from worker.engine.diffusion import ddim_timesteps, sample
from worker.engine.edits import Mitigated
from worker.engine.errors import MethodFailed
from worker.engine.finetuning import Course, Learner, Pull, Recipe
from worker.engine.items import Item
from worker.engine.model import DiffusionModel
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting

STEPS_A_TARGET = 200
ETA = {"paper": 1.0, "port": 2.0}
WANTED = {"esd-x": r"attn2\.", "esd-x-strict": r"attn2\.to_[kv]\.", "esd-u": r"^(?!.*attn2\.)", "esd-all": r""}


def apply(setting: Setting, targets: list[Item], params: EsdParams) -> Mitigated:
    """Δ of the layers the parameter group names, trained on all targets that have a caption."""
    prompted = [target for target in targets if target.prompt is not None]
    if not prompted:
        raise MethodFailed("esd works on captions and none of these targets has one")
    trained = parameters(setting.model, params.parameters)
    course = Course(
        finetuning.learner_of(setting.model, trained.__contains__),
        Recipe(params.steps or STEPS_A_TARGET * len(prompted), params.learning_rate),
        finetuning.identity(setting, targets, params),
    )
    captions = setting.model.encode_prompts([target.prompt or "" for target in prompted])
    edit = finetuning.train(setting, course, lambda step: pull(setting, course.learner, captions, params, step))
    notes = [finetuning.told(setting, params, course, edit)]
    notes += [f"{target.id} has no prompt: esd does nothing for it" for target in targets if target.prompt is None]
    return Mitigated(edit, "joint", notes)


def parameters(model: DiffusionModel, group: str) -> set[str]:
    """Names of the weights and biases of every linear layer and convolution the group takes."""
    layers = [path for path, layer in model.unet.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    wanted = {path for path in layers if re.search(WANTED[group], f"{path}.")}
    return {name for name, _ in model.unet.named_parameters() if name.rpartition(".")[0] in wanted}


def pull(setting: Setting, learner: Learner, captions: Tensor, params: EsdParams, step: int) -> Pull:
    """∇_θ of the mean over B rows of ‖ε_θ(x_t, t, c) − target‖²."""
    own = generator_for(setting.seed, "esd", "step", step)
    B = params.batch_size
    y = captions[torch.randint(len(captions), (B,), generator=own)]
    x_t, t = partial(setting, y, params, own)
    aim = target_of(setting, x_t, t, y, params)

    def terms(of: slice) -> Tensor:
        return (learner.eps(x_t[of], t[of], y[of]) - aim[of]).pow(2).flatten(1).mean(dim=1) / B

    gradients, loss = finetuning.gradient(learner, B, terms)
    return Pull(gradients, {"erasing": loss})


def partial(setting: Setting, y: Tensor, params: EsdParams, own: torch.Generator) -> tuple[Tensor, Tensor]:
    """x_t and t: the frozen model's draws, broken off after a random number of steps from none to all but one."""
    model, B = setting.model, len(y)
    done = int(torch.randint(params.sampling_steps, (1,), generator=own))
    x_t = sample(
        model.eps,
        torch.randn((B, *model.latent_shape), generator=own),
        y,
        model.encode_prompts([""]),
        steps=params.sampling_steps,
        g=params.guidance,
        alpha_bar=model.alpha_bar,
        first=done,
    )
    return x_t, torch.full((B,), ddim_timesteps(params.sampling_steps, len(model.alpha_bar))[done])


@torch.no_grad()
def target_of(setting: Setting, x_t: Tensor, t: Tensor, y: Tensor, params: EsdParams) -> Tensor:
    """What ε_θ(x_t, t, c) shall be, from the frozen model's two predictions."""
    model, B = setting.model, len(y)
    y_empty = model.encode_prompts([""]).expand_as(y)
    eps_c, eps_0 = model.eps(x_t.repeat(2, 1, 1, 1), t.repeat(2), torch.cat([y, y_empty])).split(B)
    eta = ETA[params.form] if params.eta is None else params.eta
    return paper_target(eps_c, eps_0, eta) if params.form == "paper" else port_target(eps_c, eps_0, eta)


def paper_target(eps_c: Tensor, eps_0: Tensor, eta: float) -> Tensor:
    """ε*(∅) − η·(ε*(c) − ε*(∅))"""
    return eps_0 - eta * (eps_c - eps_0)


def port_target(eps_c: Tensor, eps_0: Tensor, eta: float) -> Tensor:
    """ε*(c) − η·(ε*(c) − ε*(∅))"""
    return eps_c - eta * (eps_c - eps_0)
