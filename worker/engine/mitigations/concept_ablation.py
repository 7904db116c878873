"""Concept Ablation: the memorized caption shall be heard as an anchor's is.

Kumari et al., Ablating Concepts in Text-to-Image Diffusion Models, ICCV 2023 (arXiv 2303.13516); code
nupurkmr9/concept-ablation, commit c11fb1b, as it ablates memorized images. c* is the memorized caption, c an anchor's,
x_0 a picture drawn for the anchor.

    L = ‖ε_θ(x_t, t, c*) − sg[ε_θ(x_t, t, c)]‖² + w·‖ε_θ(x'_t, t', c) − ε'‖²       both predictions from the same θ
    noise form: ε in place of sg[…]                                               means over C·H·W

The release has a language model paraphrase the caption and keeps what replicates rarely; here the anchors are the
neutral captions nearest to it, with the pictures that resemble the target least (docs/decisions/0007). Its mirroring
of pictures is left out: latents are trained on as they were drawn.

Shapes: N targets, K anchors of each, B rows, x_t B×C×H×W, y B×L×D.
"""

import torch
from torch import Tensor

from palimpsest.contract.methods import ConceptAblationParams
from worker.engine import finetuning, own_draws
from worker.engine.diffusion import denoising_loss, q_sample
from worker.engine.edits import Mitigated
from worker.engine.errors import MethodFailed
from worker.engine.finetuning import Course, Learner, Pull, Recipe
from worker.engine.items import Item
from worker.engine.own_draws import StandIns
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting

STEPS_A_TARGET = 400


def apply(setting: Setting, targets: list[Item], params: ConceptAblationParams) -> Mitigated:
    """Δ of the parameter group, trained on all targets that have a caption."""
    prompted = [target for target in targets if target.prompt is not None]
    if not prompted:
        raise MethodFailed("concept_ablation works on captions and none of these targets has one")
    captions = setting.model.encode_prompts([target.prompt or "" for target in prompted])
    anchors = own_draws.stand_ins(setting, prompted, params.anchors)
    course = Course(
        finetuning.learner_of(setting.model, lambda name: wanted(name, params.parameters)),
        Recipe(params.steps or STEPS_A_TARGET * len(prompted), params.learning_rate, params.weight_decay),
        finetuning.identity(setting, targets, params),
    )
    edit = finetuning.train(
        setting, course, lambda step: pull(setting, course.learner, captions, anchors, params, step)
    )
    notes = [finetuning.told(setting, params, course, edit), f"{params.name}: {anchors.told()}"]
    notes += [f"{t.id} has no prompt: concept_ablation does nothing for it" for t in targets if t.prompt is None]
    return Mitigated(edit, "joint", notes)


def wanted(name: str, group: str) -> bool:
    """full-weight: every parameter; cross-attn: the key and value projections of cross-attention."""
    return group == "full-weight" or ("attn2.to_k" in name or "attn2.to_v" in name)


def pull(
    setting: Setting,
    learner: Learner,
    captions: Tensor,
    anchors: StandIns,
    params: ConceptAblationParams,
    step: int,
) -> Pull:
    """∇_θ of both means over B rows, of targets and anchors at random."""
    own = generator_for(setting.seed, "concept_ablation", "step", step)
    B, alpha_bar = params.batch_size, learner.alpha_bar
    i, k = rows(anchors, B, own)
    x_0, y_anchor = anchors.x_0[i, k], anchors.y[i, k]
    t, eps = finetuning.noised(x_0, len(alpha_bar), own)
    x_t = q_sample(x_0, t, eps, alpha_bar)
    with torch.no_grad():
        aim = eps if params.form == "noise" else learner.eps(x_t, t, y_anchor)

    def ablating(of: slice) -> Tensor:
        return (learner.eps(x_t[of], t[of], captions[i][of]) - aim[of]).pow(2).flatten(1).mean(dim=1) / B

    total, ablated = finetuning.gradient(learner, B, ablating)
    losses = {"ablation": ablated}
    if params.prior_weight:
        more, losses["prior"] = prior(learner, anchors, params, own)
        finetuning.add(total, tuple(more))
    return Pull(total, losses)


def prior(
    learner: Learner, anchors: StandIns, params: ConceptAblationParams, own: torch.Generator
) -> tuple[finetuning.Gradients, float]:
    """∇_θ of w times the denoising loss of anchors under their own captions, on rows of their own."""
    B, alpha_bar = params.batch_size, learner.alpha_bar
    i, k = rows(anchors, B, own)
    x_0, y = anchors.x_0[i, k], anchors.y[i, k]
    t, eps = finetuning.noised(x_0, len(alpha_bar), own)

    def terms(of: slice) -> Tensor:
        return params.prior_weight * denoising_loss(learner.eps, x_0[of], y[of], t[of], eps[of], alpha_bar) / B

    return finetuning.gradient(learner, B, terms)


def rows(anchors: StandIns, B: int, own: torch.Generator) -> tuple[Tensor, Tensor]:
    """B targets and one anchor of each, at random."""
    N, K = anchors.x_0.shape[:2]
    return torch.randint(N, (B,), generator=own), torch.randint(K, (B,), generator=own)
