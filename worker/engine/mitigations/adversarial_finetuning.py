"""Adversarial fine-tuning: find triggers on the weights as they are, and teach them to draw something else there.

Kowalczuk et al., Finding DoRI (arXiv 2507.16880), its mitigation. At every step, for some targets,

    y_adv ← argmin_y E_{t, ε} ‖ε − ε_θ(x_t, t, y)‖²         x_0: the target's image; θ stays fixed, only y walks
    L_Adv = E ‖ε − ε_θ(x̃_t, t, y_adv)‖²                     x̃_0: a stand-in for it
    L_DM  = E ‖ε − ε_θ(x_t, t, y)‖²                         x_0, y: regular pictures and captions
    θ ← θ − AdamW(∇_θ (L_DM + L_Adv)),  all U-Net weights

The two forms differ in numbers alone. *reference*: every trigger is searched anew, 50 Adam steps of 8 pairs, as
published. *standing_pool*: the pool of triggers stands; those of the step go on from where they were by 6 steps of 3
pairs, one in four from a new start, and some captions as they are join L_Adv: a step costs a small part, and there can
be many more. There L_DM aims at ε*, the unmitigated model's prediction, in place of ε: on the model's own pictures ε*
is the mean of ε, so that the pull is the same but for its noise.

The paper's stand-ins come from a pruned model and its regular data are LAION's; here both are the model's own pictures
(docs/decisions/0007). A target is visited once an epoch, in an order of that epoch; its triggers take turns.

Shapes: N targets, K triggers of each, A triggers and Q captions a step, S regular rows, B pairs, y …×L×D.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from palimpsest.contract.methods import AdversarialFinetuningParams
from worker.engine import finetuning, own_draws
from worker.engine.diffusion import q_sample
from worker.engine.edits import Mitigated
from worker.engine.errors import SearchDiverged
from worker.engine.finetuning import Course, Learner, Pull, Recipe
from worker.engine.items import Item
from worker.engine.own_draws import Regular, StandIns
from worker.engine.search import gradients
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting

KIND = "adversarial_finetuning"


@dataclass(frozen=True)
class Form:
    """How often a target is visited; search steps, pairs B and share begun anew of a visit; captions Q; L_DM's aim."""

    epochs: int
    search_steps: int
    search_batch_size: int
    restarted: float
    prompts_per_step: int
    regular_target: str


FORMS = {"reference": Form(5, 50, 8, 1.0, 0, "noise"), "standing_pool": Form(100, 6, 3, 0.25, 6, "model")}


@dataclass(frozen=True)
class Lesson:
    """What the training rests on: images x_0 N×C×H×W, captions N×L×D, what stands in for them, regular pictures."""

    setting: Setting
    targets: list[Item]
    params: AdversarialFinetuningParams
    form: Form
    x_0: Tensor
    captions: Tensor
    aims: StandIns
    regular: Regular
    y_empty: Tensor


def apply(setting: Setting, targets: list[Item], params: AdversarialFinetuningParams) -> Mitigated:
    """Δ of the whole denoiser, trained on all targets together."""
    lesson = prepare(setting, targets, params)
    steps = math.ceil(lesson.form.epochs * len(targets) / params.triggers_per_step)
    course = Course(
        finetuning.learner_of(setting.model, lambda _: True),
        Recipe(steps, params.learning_rate, params.weight_decay, params.clip, params.ema),
        finetuning.identity(setting, targets, params),
        {"pool": first_pool(lesson)},
    )
    edit = finetuning.train(setting, course, lambda step: pull(lesson, course.learner, course.own["pool"], step))
    notes = [
        finetuning.told(setting, params, course, edit),
        f"{params.name}: {lesson.aims.told()}; {params.regular_images} regular pictures, its own for neutral captions",
    ]
    return Mitigated(edit, "joint", notes)


def prepare(setting: Setting, targets: list[Item], params: AdversarialFinetuningParams) -> Lesson:
    """Stand-ins and regular pictures are drawn; what the request leaves open is the form's."""
    asked = {name: getattr(params, name) for name in Form.__dataclass_fields__ if getattr(params, name) is not None}
    return Lesson(
        setting=setting,
        targets=targets,
        params=params,
        form=replace(FORMS[params.form], **asked),
        x_0=own_draws.images_of(setting, targets),
        captions=setting.model.encode_prompts([target.prompt or "" for target in targets]),
        aims=own_draws.stand_ins(setting, targets, params.surrogates),
        regular=own_draws.regular(setting, params.regular_images),
        y_empty=setting.model.encode_prompts([""]),
    )


def first_pool(lesson: Lesson) -> Tensor:
    """y⁽⁰⁾ of every trigger, N×K×L×D, K one of each kind of start times ``triggers_per_start``."""
    K = len(lesson.params.starts) * lesson.params.triggers_per_start
    rows = [
        torch.stack([begun(lesson, i, k, generator(lesson, "pool", target.id, k)) for k in range(K)])
        for i, target in enumerate(lesson.targets)
    ]
    return torch.stack(rows)


def begun(lesson: Lesson, i: int, k: int, own: Generator) -> Tensor:
    """A new start for trigger k of target i: its caption, N(0, I) (also where there is none), or another prompt."""
    kinds = lesson.params.starts
    kind = kinds[k % len(kinds)]
    if kind == "prompt" and lesson.targets[i].prompt is not None:
        return lesson.captions[i].clone()
    if kind == "other_prompt":
        neutral = lesson.setting.neutral
        other = neutral[int(torch.randint(len(neutral), (1,), generator=own))]
        return lesson.setting.model.encode_prompts([other])[0].clone()
    return torch.randn(lesson.captions.shape[1:], generator=own)


def generator(lesson: Lesson, *purpose: str | int) -> Generator:
    """Numbers of this method, for one purpose."""
    return generator_for(lesson.setting.seed, KIND, *purpose)


def visited(lesson: Lesson, step: int) -> list[tuple[int, int]]:
    """Which trigger of which target: A visits on from where the last step ended, nobody's trigger twice."""
    N, A = len(lesson.targets), lesson.params.triggers_per_step
    K = len(lesson.params.starts) * lesson.params.triggers_per_start
    visits: dict[tuple[int, int], None] = {}
    for place in range(step * A, (step + 1) * A):
        epoch = place // N
        order = torch.randperm(N, generator=generator(lesson, "epoch", epoch))
        i = int(order[place % N])
        visits[i, (epoch + i) % K] = None
    return list(visits)


def pull(lesson: Lesson, learner: Learner, pool: Tensor, step: int) -> Pull:
    """One step: search on the weights as they are, then ∇_θ (L_DM + L_Adv)."""
    visits = visited(lesson, step)
    y_adv = refreshed(lesson, learner, pool, visits, step)
    for (i, k), y in zip(visits, y_adv, strict=True):
        pool[i, k] = y
    own = generator(lesson, "step", step)
    said = captions_of(lesson, own)
    aimed = [i for i, _ in visits] + said
    x_tilde = lesson.aims.x_0[aimed, torch.randint(lesson.params.surrogates, (len(aimed),), generator=own)]
    S = lesson.params.regular_per_step
    picked = torch.randint(len(lesson.regular.x_0), (S,), generator=own)
    x_0 = torch.cat([lesson.regular.x_0[picked], x_tilde])
    y_regular = finetuning.dropped(lesson.regular.y[picked], lesson.y_empty, own)
    y = torch.cat([y_regular, y_adv, lesson.captions[said]])
    alpha_bar = lesson.setting.model.alpha_bar
    t, eps = finetuning.noised(x_0, len(alpha_bar), own)
    x_t = q_sample(x_0, t, eps, alpha_bar)
    aim = aimed_at(lesson, x_t, t, y, eps, S)
    share = torch.cat([torch.full((S,), 1 / S), torch.full((len(aimed),), 1 / len(aimed))])
    seen = torch.zeros(len(x_0))

    def terms(of: slice) -> Tensor:
        L = share[of] * (aim[of] - learner.eps(x_t[of], t[of], y[of])).pow(2).flatten(1).mean(dim=1)
        seen[of] = L.detach()
        return L

    gradients, _ = finetuning.gradient(learner, len(x_0), terms)
    return Pull(gradients, {"regular": float(seen[:S].sum()), "adversarial": float(seen[S:].sum())})


@torch.no_grad()
def aimed_at(lesson: Lesson, x_t: Tensor, t: Tensor, y: Tensor, eps: Tensor, S: int) -> Tensor:
    """ε of every row, or ε* in its place on the S regular ones."""
    if lesson.form.regular_target == "noise":
        return eps
    return torch.cat([lesson.setting.model.eps(x_t[:S], t[:S], y[:S]), eps[S:]])


def captions_of(lesson: Lesson, own: Generator) -> list[int]:
    """Q targets at random whose captions are asked as they are; those without one are not."""
    known = [i for i, target in enumerate(lesson.targets) if target.prompt is not None]
    Q = min(lesson.form.prompts_per_step, len(known))
    return [known[n] for n in torch.randperm(len(known), generator=own)[:Q].tolist()]


def refreshed(lesson: Lesson, learner: Learner, pool: Tensor, visits: list[tuple[int, int]], step: int) -> Tensor:
    """The visited triggers, some begun anew, each searched a little further: A×L×D."""
    owns = [generator(lesson, "search", step, lesson.targets[i].id, k) for i, k in visits]
    y = torch.stack(
        [
            begun(lesson, i, k, own) if float(torch.rand(1, generator=own)) < lesson.form.restarted else pool[i, k]
            for (i, k), own in zip(visits, owns, strict=True)
        ]
    )
    x_0 = lesson.x_0[[i for i, _ in visits]]
    form = lesson.form
    eta = lesson.params.search_learning_rate
    on = replace(lesson.setting, model=learner)
    return search(on, x_0, y, owns, steps=form.search_steps, B=form.search_batch_size, learning_rate=eta)


def search(
    on: Setting, x_0: Tensor, y: Tensor, owns: list[Generator], *, steps: int, B: int, learning_rate: float
) -> Tensor:
    """Walk every row of y downhill on its image's loss ``on`` these weights; θ collects no gradient.

    A step of it is the search's own (``worker.engine.search``), so that no row meets another's.
    """
    y = y.clone().requires_grad_()
    adam = torch.optim.Adam([y], lr=learning_rate)
    each, T = torch.arange(len(y)), len(on.model.alpha_bar)
    for _ in range(steps):
        t = torch.cat([torch.randint(T, (B,), generator=own) for own in owns])
        eps = torch.cat([torch.randn((B, *x_0.shape[1:]), generator=own) for own in owns])
        _, y.grad = gradients(on, [], each, x_0, y.detach(), t, eps)
        adam.step()
    if not bool(y.isfinite().all()):
        raise SearchDiverged("a trigger left the finite numbers: try a smaller search_learning_rate")
    return y.detach()
