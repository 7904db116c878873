"""External: the model under audit was mitigated elsewhere. Nothing is applied, everything is measured.

The request's ``model`` is the mitigated one and its ``baseline_model`` the one it came from: "before" is measured on
the latter, "after" on the former, with equal noise, and drift is the distance between the two.
"""

from torch import Tensor

from palimpsest.contract.methods import ExternalParams
from worker.engine.edits import JOINT, Mitigated
from worker.engine.errors import MethodFailed
from worker.engine.items import Item
from worker.engine.model import DiffusionModel
from worker.engine.seeds import noise
from worker.engine.setting import Setting


def apply(setting: Setting, targets: list[Item], params: ExternalParams) -> Mitigated:
    """No edit: one model for all, already mitigated."""
    return Mitigated(
        None, "joint", [f"{params.name}: mitigated elsewhere; nothing was applied to the model under audit"]
    )


def comparable(mitigated: DiffusionModel, baseline: DiffusionModel) -> None:
    """Raises MethodFailed for models that do not draw the same kind of picture from the same noise."""
    said = {
        "latents": (mitigated.latent_shape, baseline.latent_shape),
        "pictures": (mitigated.resolution, baseline.resolution),
        "training steps": (len(mitigated.alpha_bar), len(baseline.alpha_bar)),
        "tokens": (mitigated.tokenizer_length, baseline.tokenizer_length),
    }
    differ = [f"{what} {one} and {other}" for what, (one, other) in said.items() if one != other]
    if differ:
        raise MethodFailed(f"the model was not made from its baseline: {', '.join(differ)}")


def drift(setting: Setting, baseline: DiffusionModel) -> dict[str, list[float]]:
    """1 − similarity between both models' pictures at equal noise, on neutral prompts, as for any mitigation."""
    comparable(setting.model, baseline)
    n = setting.effort.neutral_images
    prompts = setting.evenly(n)
    x_T = noise(setting.model.latent_shape, [("drift", i) for i in range(len(prompts))], setting.seed)

    def described(model: DiffusionModel) -> Tensor:
        y = model.encode_prompts(prompts)
        drawn = model.generate(x_T, y, steps=setting.sampler.steps, g=setting.sampler.guidance)
        return setting.descriptor.describe(drawn)

    near = (described(setting.model) * described(baseline)).sum(dim=1)
    return {JOINT: [round(1 - float(s), 5) for s in near]}
