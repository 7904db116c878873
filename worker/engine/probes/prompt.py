"""Ask with the original caption.

Threat model: anyone who can type the caption. A target whose caption is unknown cannot be asked this way.
"""

from palimpsest.contract.methods import PromptParams
from worker.engine.items import Answer, Trial
from worker.engine.setting import Setting


def run(setting: Setting, trials: list[Trial], params: PromptParams) -> list[Answer | None]:
    """Evaluation images of every trial's caption; None where there is no caption."""
    asked = [trial for trial in trials if trial.item.prompt is not None]
    if not asked:
        return [None] * len(trials)
    captions = [trial.item.prompt or "" for trial in asked]
    y, images = setting.model.encode_prompts(captions), setting.effort.images
    pictures = setting.draw(asked, y, images=images, purpose=("evaluate", "prompt"), captions=captions)
    answers = iter(pictures)
    return [None if trial.item.prompt is None else Answer(next(answers)) for trial in trials]
