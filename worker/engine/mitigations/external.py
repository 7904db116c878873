"""External: the model under audit was mitigated elsewhere. Nothing is applied, everything is measured.

The request's ``model`` is the mitigated one and its ``baseline_model`` the one it came from: "before" is measured on
the latter, "after" on the former, with equal noise, and drift is the distance between the two:

    drift_i = 1 − ⟨d(x_i), d(x′_i)⟩      d the descriptor, x_i and x′_i the two models' pictures from the same x_T

One model's pictures are drawn after the other's, so that nobody has to hold both models.
"""

from dataclasses import dataclass

from torch import Tensor

from palimpsest.contract.methods import ExternalParams
from worker.engine.edits import JOINT, Mitigated
from worker.engine.errors import MethodFailed
from worker.engine.items import Item
from worker.engine.model import DiffusionModel
from worker.engine.setting import Setting

ELSEWHERE = "elsewhere"
"""Where the mitigation's change was made, in place of what it switches off."""


@dataclass(frozen=True)
class Drawn:
    """What a model makes of neutral prompts: its pictures' descriptors, N×D, and of what kind the pictures are."""

    kind: dict[str, str]
    described: Tensor


def apply(setting: Setting, targets: list[Item], params: ExternalParams) -> Mitigated:
    """No edit: one model for all, already mitigated."""
    return Mitigated(None, "joint", [note(params)])


def note(params: ExternalParams) -> str:
    """What the report is told."""
    return f"{params.name}: mitigated elsewhere; nothing was applied to the model under audit"


def draw(setting: Setting) -> Drawn:
    """Pictures of neutral prompts, from the noise that drift is measured with under any mitigation."""
    prompts = setting.evenly(setting.effort.neutral_images)
    seeds: list[tuple[str | int, ...]] = [("drift", i) for i in range(len(prompts))]
    pictures = setting.pictures(seeds, setting.model.encode_prompts(prompts), captions=prompts)
    return Drawn(kind(setting.model), setting.descriptor.describe(pictures.flatten(0, 1)))


def kind(model: DiffusionModel) -> dict[str, str]:
    """What two models must share to draw the same kind of picture from the same noise."""
    return {
        "latents": str(model.latent_shape),
        "pictures": str(model.resolution),
        "training steps": str(len(model.alpha_bar)),
        "tokens": str(model.tokenizer_length),
    }


def drift(before: Drawn, after: Drawn) -> dict[str, list[float]]:
    """1 − similarity between the two models' pictures, as for any mitigation; MethodFailed if they do not compare."""
    differ = [f"{what} {after.kind[what]} and {was}" for what, was in before.kind.items() if after.kind[what] != was]
    if differ:
        raise MethodFailed(f"the model was not made from its baseline: {', '.join(differ)}")
    near = (after.described * before.described).sum(dim=1)
    return {JOINT: [round(1 - float(s), 5) for s in near]}
