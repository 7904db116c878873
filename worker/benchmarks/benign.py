"""Benign fine-tuning: what a user does to a model that was given to them, with pictures that are nobody's targets.

    θ ← AdamW(∇_θ E ‖ε − ε_θ(x_t, t, y)‖²),   all of the denoiser, from the mitigated weights W + Δ

If a memory comes back on the way, or is found again after it, the mitigation had only hidden it.
"""

import torch

from worker.engine import finetuning
from worker.engine.diffusion import q_sample
from worker.engine.edits import DELTA, JOINT, Edit, as_delta
from worker.engine.finetuning import Course, Learner, Pull, Recipe
from worker.engine.items import Item, Trial
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting

STEPS, ROWS, LEARNING_RATE = 100, 8, 1e-4


def tuned(setting: Setting, edit: Edit, pictures: list[Item], steps: int = STEPS) -> Edit:
    """The joint edit and what ``steps`` steps on the captioned pictures add to it, as one delta."""
    mitigation = as_delta(setting.model.unet, edit)
    x_0 = setting.latents([Trial(item, JOINT, None) for item in pictures])
    y = setting.model.encode_prompts([item.prompt or "" for item in pictures])
    y_empty = setting.model.encode_prompts([""])

    def pull(learner: Learner, step: int) -> Pull:
        own = generator_for(setting.seed, "benign", "step", step)
        picked = torch.randint(len(x_0), (ROWS,), generator=own)
        heard = finetuning.dropped(y[picked], y_empty, own)
        t, eps = finetuning.noised(x_0[picked], len(learner.alpha_bar), own)
        x_t = q_sample(x_0[picked], t, eps, learner.alpha_bar)
        gradients, loss = finetuning.gradient(
            learner,
            ROWS,
            lambda of: (eps[of] - learner.eps(x_t[of], t[of], heard[of])).pow(2).flatten(1).mean(dim=1) / ROWS,
        )
        return Pull(gradients, {"benign": loss})

    with setting.model.edited(mitigation):
        learner = finetuning.learner_of(setting.model, lambda _: True)
        course = Course(learner, Recipe(steps, LEARNING_RATE, clip=1.0), "benign")
        added = finetuning.train(setting, course, lambda step: pull(learner, step)).groups[JOINT]
    moved = mitigation.groups[JOINT]
    return Edit(DELTA, {JOINT: {name: D + moved[name] if name in moved else D for name, D in added.items()}}, edit.size)
