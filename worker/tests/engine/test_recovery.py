"""A recovery is kept with what one generation needs to replay it."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save

from palimpsest.contract.methods import AdversarialEmbeddingParams, AdversarialTokensParams, Params, TokenNoiseParams
from worker.engine import audit, recovery
from worker.engine.conditioning import Conditioning
from worker.engine.edits import JOINT, Edit
from worker.engine.items import Item
from worker.engine.mitigations import token_noise
from worker.engine.recovery import Recovery
from worker.engine.setting import Setting

VALUE = "mid_block.attentions.0.transformer_blocks.0.attn2.to_v"


def masks(*off: int) -> dict[str, torch.Tensor]:
    """These of the middle block's 16 value neurons off."""
    return {VALUE: torch.zeros(16, dtype=torch.bool).index_fill(0, torch.tensor(off), value=True)}


def found(
    setting: Setting, targets: list[Item], params: Params, edit: Edit | Conditioning | None
) -> list[tuple[torch.Tensor, Recovery]]:
    """What a probe keeps of every target."""
    files: list[bytes] = []

    def keep(name: str, content: bytes, media_type: str) -> str:
        if name.endswith(".safetensors"):
            files.append(content)
        return name

    audit.measure(setting, targets, [], [params], keep, "m" if edit else None, edit, "e" * 64)
    return [recovery.loads(content) for content in files]


def test_a_file_says_what_it_was_told() -> None:
    """The tensor and every field come back, equal recoveries are equal bytes, and the nearest picture is the second."""
    said = Recovery(
        model="m", edit=None, group=JOINT, item="fox", text=None, seed=3, noise=["confirm", 10],
        steps=2, guidance=3.0, judge="j", threshold=0.5, scores=[0.1, 0.9, 0.9],
    )  # fmt: skip
    y = torch.arange(6.0).view(2, 3)
    content = recovery.dumps(y, said)
    again, told = recovery.loads(content)
    assert torch.equal(again, y)
    assert told == said
    assert told.noise == ["confirm", 10]
    assert (recovery.dumps(y.clone(), told), said.nearest) == (content, 1)


def test_a_file_that_says_nothing_cannot_be_replayed() -> None:
    """An embedding alone, as it was kept before."""
    with pytest.raises(KeyError):
        recovery.loads(save({"y": torch.zeros(2, 3)}))


@pytest.mark.parametrize("under", ["nothing", "joint", "per_target", "in_front"])
@pytest.mark.parametrize("copies", [False, True], ids=["at-the-end", "confirmed-early"])
def test_one_generation_draws_the_very_pictures(
    setting: Setting, generous: Setting, targets: list[Item], under: str, copies: bool
) -> None:
    """Of every target, each picture alone has the recorded similarity, whether a look or the end found it."""
    surroundings = generous if copies else setting
    edit: Edit | Conditioning | None = {
        "nothing": None,
        "joint": Edit("neurons", {JOINT: masks(0, 3)}, 16),
        "per_target": Edit("neurons", {item.id: masks(n, n + 5) for n, item in enumerate(targets)}, 16),
        "in_front": token_noise.apply(setting, targets, TokenNoiseParams(repeats=2)).edit,
    }[under]
    params = AdversarialEmbeddingParams(steps=2, batch_size=1)
    kept = found(surroundings, targets, params, edit)
    assert len(kept) == len(targets)
    for item, (y, said) in zip(targets, kept, strict=True):
        assert said.item == item.id
        assert said.noise == (["confirm", 1] if copies else ["evaluate", "search"])
        assert said.edit == (None if under == "nothing" else "e" * 64)
        for s, recorded in enumerate(said.scores):
            pictures = recovery.draw(surroundings, y, said, edit, [s])
            assert surroundings.score(pictures, item).similarity == pytest.approx([recorded], abs=recovery.TOLERANCE)


def test_another_model_draws_another_picture(setting: Setting, targets: list[Item]) -> None:
    """What was found under an edit is not what the model draws without it, by more than the tolerance."""
    [(y, said), *_] = found(setting, targets, AdversarialEmbeddingParams(steps=2, batch_size=1), None)
    silenced = Edit("neurons", {JOINT: masks(*range(16))}, 16)
    as_it_was = recovery.draw(setting, y, said, None, [0])
    assert not torch.equal(as_it_was, recovery.draw(setting, y, said, silenced, [0]))
    other = said.model_copy(update={"seed": said.seed + 1})
    again = setting.score(recovery.draw(setting, y, other, None, [0]), targets[0]).similarity[0]
    assert abs(again - said.scores[0]) > recovery.TOLERANCE


def test_words_that_were_found_are_typed_again(setting: Setting, targets: list[Item]) -> None:
    """Where something stands in front, it listens to what was typed."""
    params = AdversarialTokensParams(steps=1, batch_size=1)
    edit = token_noise.apply(setting, targets, TokenNoiseParams(repeats=2)).edit
    [(y, said)] = found(replace(setting), targets[:1], params, edit)
    assert said.text is not None
    drawn = recovery.draw(setting, y, said, edit, list(range(len(said.scores))))
    assert setting.score(drawn, targets[0]).similarity == pytest.approx(said.scores, abs=recovery.TOLERANCE)
