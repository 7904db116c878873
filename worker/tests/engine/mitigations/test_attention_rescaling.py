"""Attention rescaling: on three tokens by hand, and as nothing where nothing is asked."""

import torch
from torch import tensor

from palimpsest.contract.methods import AttentionRescalingParams
from worker.engine.attention import Seen
from worker.engine.conditioning import standing
from worker.engine.mitigations import attention_rescaling
from worker.engine.mitigations.attention_rescaling import rescaled
from worker.engine.setting import Setting
from worker.tests import tiny

MINUS = float("-inf")
PROMPTS = list(tiny.TARGETS.values())


def test_logits_by_hand() -> None:
    """
    rows of three tokens: the unconditional one is left alone; of a text of length 2 the first logit is times 1.5 and
    the third token is masked, and the second as well where the end token is meant too; of an embedding (length 4)
    nothing is masked. A negative first logit is lowered.
    """
    z = tensor([[1.0, 2, 3], [2, 2, 2], [-2, 2, 2]])[:, None, None]
    lengths = tensor([0, 2, 4])
    by_mask = {mask: rescaled(z, lengths, 1.5, mask)[:, 0, 0].tolist() for mask in ("none", "padding", "summary")}
    assert by_mask["none"] == [[1, 2, 3], [3, 2, 2], [-3, 2, 2]]
    assert by_mask["padding"] == [[1, 2, 3], [3, 2, MINUS], [-3, 2, 2]]
    assert by_mask["summary"] == [[1, 2, 3], [3, MINUS, MINUS], [-3, 2, 2]]


def test_factor_one_and_no_mask_is_the_model_itself(setting: Setting) -> None:
    """Pictures and predictions are the baseline's, up to rounding."""
    model = setting.model
    made = attention_rescaling.apply(setting, [], AttentionRescalingParams(c1=1, mask="none")).edit
    torch.manual_seed(0)
    x, t, y = torch.randn(3, *model.latent_shape), torch.arange(3), model.encode_prompts(PROMPTS)
    plain = model.eps(x, t, y)
    with standing(model, made, model.lengths(PROMPTS)):
        torch.testing.assert_close(model.eps(x, t, y), plain, rtol=1e-4, atol=1e-5)


def test_masked_tokens_get_no_attention(setting: Setting) -> None:
    """From the length of each row on, in every layer, at every pixel; what is left sums to one."""
    model = setting.model
    made = attention_rescaling.apply(setting, [], AttentionRescalingParams()).edit
    lengths = model.lengths(PROMPTS)
    seen = Seen(lambda A: A)
    attend = made.attend
    assert attend is not None
    with model.attention_of(
        model.cross_attention(), alter=lambda logits, start: attend(logits, lengths[start:]), see=seen.see
    ):
        model.eps(torch.randn(3, *model.latent_shape), torch.arange(3), model.encode_prompts(PROMPTS))
    for A in seen.take().values():
        for row, length in zip(A, lengths.tolist(), strict=True):
            assert not row[:, :, length:].any()
            assert bool((row[:, :, :length] > 0).all())
            assert torch.allclose(row.sum(dim=2), torch.ones(()))
