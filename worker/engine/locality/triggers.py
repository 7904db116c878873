"""Several triggers of one image: the adversarial search from many starts, on the unmitigated model.

A trigger counts only if it triggers: its evaluation pictures must replicate the image. The search is the probe
``adversarial_embedding`` with one start and no early stop, so that all triggers have walked equally long; each is
asked for as an item of its own, whose name numbers the trigger, so that starts and noise differ.
"""

from dataclasses import dataclass, replace

import torch
from safetensors.torch import load, save
from torch import Tensor

from palimpsest.contract.methods import AdversarialEmbeddingParams, LocalityParams
from worker.engine.edits import JOINT
from worker.engine.errors import MethodFailed
from worker.engine.items import Item, Trial
from worker.engine.probes import adversarial_embedding
from worker.engine.setting import Setting

MOST_TOGETHER = 32


@dataclass(frozen=True)
class Triggers:
    """N triggers from one kind of start: y and y_0, N×L×D, and whose image each brings back.

    ``tried`` and ``found`` count searches and those whose pictures replicate.
    """

    start: str
    images: list[str]
    y_0: Tensor
    y: Tensor
    tried: int
    found: int

    @property
    def comparable(self) -> bool:
        """Whether there are pairs of one image and pairs of two."""
        counts = [self.images.count(image) for image in set(self.images)]
        return len(counts) > 1 and max(counts) > 1


def find(setting: Setting, items: list[Item], start: str, params: LocalityParams) -> Triggers:
    """``params.triggers`` searches per item; those that replicate. Raises MethodFailed where none does."""
    return joined([search(setting, items, start, params)])


def search(setting: Setting, items: list[Item], start: str, params: LocalityParams) -> Triggers:
    """``params.triggers`` searches per item; those that replicate, which may be none."""
    asked = AdversarialEmbeddingParams.model_validate(
        {
            "id": "locality",
            "starts": [start],
            "steps": params.steps,
            "learning_rate": params.learning_rate,
            "batch_size": params.batch_size,
            "restarts": 1,
            "early_stop": False,
        }
    )
    numbered = [(item, replace(item, id=f"{item.id}/{n}")) for item in items for n in range(params.triggers)]
    found: list[tuple[str, Tensor, Tensor]] = []
    for i in range(0, len(numbered), MOST_TOGETHER):
        part = numbered[i : i + MOST_TOGETHER]
        trials = [Trial(trigger, JOINT, None) for _, trigger in part]
        walks = adversarial_embedding.begin(setting, trials, asked)
        answers = adversarial_embedding.run(setting, trials, asked)
        for (item, _), walk, answer in zip(part, walks, answers, strict=True):
            if answer is None or answer.embedding is None:
                continue
            if setting.replicates(setting.score(answer.pictures, item)):
                found.append((item.id, walk.y.detach(), answer.embedding))
    if not found:
        return none_of(start, len(numbered))
    return Triggers(
        start=start,
        images=[image for image, _, _ in found],
        y_0=torch.stack([y_0 for _, y_0, _ in found]),
        y=torch.stack([y for _, _, y in found]),
        tried=len(numbered),
        found=len(found),
    )


def none_of(start: str, tried: int) -> Triggers:
    """So many searches, and no trigger."""
    return Triggers(start, [], torch.empty(0), torch.empty(0), tried=tried, found=0)


def joined(parts: list[Triggers]) -> Triggers:
    """What several units of searches from one kind of start found. Raises MethodFailed where that is nothing."""
    some = [part for part in parts if part.found]
    if not some:
        raise MethodFailed(f"no search from a {parts[0].start} start found a trigger: there is nothing to locate")
    return Triggers(
        start=parts[0].start,
        images=[image for part in some for image in part.images],
        y_0=torch.cat([part.y_0 for part in some]),
        y=torch.cat([part.y for part in some]),
        tried=sum(part.tried for part in parts),
        found=sum(part.found for part in parts),
    )


def dumps(found: Triggers) -> bytes:
    """y and y_0 as a safetensors file."""
    return save({"y": found.y.contiguous(), "y_0": found.y_0.contiguous()})


def loads(content: bytes, start: str, images: list[str], tried: int) -> Triggers:
    """What ``dumps`` wrote, with what is said of it elsewhere."""
    kept = load(content)
    return Triggers(start, images, kept["y_0"], kept["y"], tried=tried, found=len(images))
