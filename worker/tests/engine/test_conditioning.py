"""The seam of mitigations at the input: who is reworded, perturbed, settled, and how a search sees through it."""

from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor

from worker.engine.conditioning import Conditioning, generate, realized, standing
from worker.engine.model import DiffusionModel
from worker.engine.parts import Parts
from worker.engine.seeds import generator_for
from worker.tests import tiny

PROMPTS = list(tiny.TARGETS.values())
N, S = 3, 2


def generators(n: int = N * S) -> list[Generator]:
    """So many, always the same."""
    return [generator_for(0, "conditioning", i) for i in range(n)]


def random_shift(_: DiffusionModel, y: Tensor, own: list[Generator]) -> Tensor:
    """A shift a row."""
    return y + torch.stack([torch.randn(y.shape[1:], generator=g) for g in own])


@pytest.fixture(name="x_T")
def noise_to_draw_from(model: DiffusionModel) -> Tensor:
    """Two noises for each of three rows."""
    return torch.randn(N, S, *model.latent_shape, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def y(model: DiffusionModel) -> Tensor:
    """The three captions."""
    return model.encode_prompts(PROMPTS)


def plain(model: DiffusionModel, x_T: Tensor, y: Tensor) -> Tensor:
    """Without any conditioning."""
    return model.generate(x_T.flatten(0, 1), y.repeat_interleave(S, dim=0), steps=2, g=3.0)


def drawn(
    model: DiffusionModel, conditioning: Conditioning, x_T: Tensor, y: Tensor, captions: list[str] | None
) -> Tensor:
    """Through it."""
    return generate(model, conditioning, x_T, y, captions=captions, generators=generators(), steps=2, g=3.0)


@pytest.mark.parametrize("captions", [PROMPTS, None])
def test_one_that_does_nothing_draws_what_the_model_draws(
    model: DiffusionModel, x_T: Tensor, y: Tensor, captions: list[str] | None
) -> None:
    """Pixel for pixel."""
    assert torch.equal(drawn(model, Conditioning("nothing", {}), x_T, y, captions), plain(model, x_T, y))


def test_captions_are_reworded_and_embeddings_perturbed(model: DiffusionModel, x_T: Tensor, y: Tensor) -> None:
    """Rewording every caption to one of them draws that one; whoever brings an embedding is perturbed instead."""
    to_first = Conditioning("x", {}, reword=lambda *_: PROMPTS[0], perturb=lambda _, y, __: torch.zeros_like(y))
    first = model.encode_prompts(PROMPTS[:1]).repeat(N, 1, 1)
    assert torch.equal(drawn(model, to_first, x_T, y, PROMPTS), plain(model, x_T, first))
    assert torch.equal(drawn(model, to_first, x_T, y, None), plain(model, x_T, torch.zeros_like(y)))


def test_every_picture_is_reworded_by_its_own_generator(model: DiffusionModel, x_T: Tensor, y: Tensor) -> None:
    """N·S generators for N·S pictures, in their order."""
    used: list[int] = []
    reword = Conditioning("x", {}, reword=lambda _, caption, own: used.append(id(own)) or caption)  # type: ignore[func-returns-value]
    own = generators()
    generate(model, reword, x_T, y, captions=PROMPTS, generators=own, steps=2, g=3.0)
    assert used == [id(generator) for generator in own]


def test_it_is_settled_on_the_noise_that_is_drawn_from(model: DiffusionModel, x_T: Tensor, y: Tensor) -> None:
    """``settle`` is given x_T and an embedding a picture, and what it answers is what is heard."""
    given: list[Tensor] = []

    def settle(_: DiffusionModel, y: Tensor, x_T: Tensor) -> Tensor:
        given.append(x_T)
        return y * 0

    pictures = drawn(model, Conditioning("x", {}, settle=settle), x_T, y, PROMPTS)
    assert torch.equal(given[0], x_T)
    assert torch.equal(pictures, plain(model, x_T, torch.zeros_like(y)))


@pytest.mark.parametrize(("captions", "expected"), [(PROMPTS, None), (None, 21)])
def test_attention_is_told_the_lengths(
    model: DiffusionModel, x_T: Tensor, y: Tensor, captions: list[str] | None, expected: int | None
) -> None:
    """0 on the unconditional half; the caption's on the other, or L + 1 for an embedding; right in every part."""
    told: list[Tensor] = []

    def attend(logits: Tensor, lengths: Tensor) -> Tensor:
        told.append(lengths)
        return logits

    small = replace(model, parts=Parts(5))
    drawn(small, Conditioning("x", {}, attend=attend), x_T, y, captions)
    layers, parts = len(model.cross_attention()), 3  # 12 rows, five at a time
    first_step = torch.cat(told[: layers * parts : layers]).tolist()
    mine = model.lengths(PROMPTS).repeat_interleave(S).tolist() if expected is None else [expected] * (N * S)
    assert first_step == [0] * (N * S) + mine


def heard_in_a_search(
    model: DiffusionModel, conditioning: Conditioning | None, y: Tensor, own: list[Generator]
) -> Tensor:
    """All rows of one step, S of each."""
    hear = realized(model, conditioning, y.detach(), own, S)
    return hear(y.repeat_interleave(S, dim=0), slice(0, len(y) * S))


def test_a_search_without_conditioning_draws_nothing(model: DiffusionModel, y: Tensor) -> None:
    """Rows repeated; the generators are where they were."""
    own = generators(N)
    assert torch.equal(heard_in_a_search(model, None, y, own), y.repeat_interleave(S, dim=0))
    assert all(torch.equal(a.get_state(), b.get_state()) for a, b in zip(own, generators(N), strict=True))


def test_a_search_averages_over_fresh_realizations(model: DiffusionModel, y: Tensor) -> None:
    """Each of a search's rows has its own, each step has others; gradients come from all of them."""
    leaf, own = y.clone().requires_grad_(), generators(N)
    shift = Conditioning("x", {}, perturb=random_shift)
    heard, next_step = (heard_in_a_search(model, shift, leaf, own) for _ in range(2))
    assert heard.shape == (N * S, *y.shape[1:])
    assert len({row.sum().item() for row in [*heard, *next_step]}) == 2 * N * S
    (gradient,) = torch.autograd.grad(heard.sum(), [leaf])
    assert torch.equal(gradient, torch.full_like(y, S))


def test_what_a_search_hears_does_not_depend_on_its_neighbours(model: DiffusionModel, y: Tensor) -> None:
    """The second search alone hears what it hears among three."""
    shift = Conditioning("x", {}, perturb=random_shift)
    among = heard_in_a_search(model, shift, y, generators(N))[S : 2 * S]
    assert torch.equal(heard_in_a_search(model, shift, y[1:2], generators(N)[1:2]), among)


def test_a_part_heard_again_is_the_same(model: DiffusionModel, y: Tensor) -> None:
    """Five rows at once, or two and three, or the first two again because they did not fit: one realization."""
    both = Conditioning("x", {}, perturb=random_shift, settle=lambda _, y, x_T: y + x_T.flatten(2)[:, :, :1, None])
    hear, rows = realized(model, both, y, generators(N), S), y.repeat_interleave(S, dim=0)
    whole = hear(rows, slice(0, 6))
    for part in (slice(0, 2), slice(2, 5), slice(0, 2)):
        assert torch.equal(hear(rows[part], part), whole[part])


def test_settling_passes_the_gradient_straight_through(model: DiffusionModel, y: Tensor) -> None:
    """What is heard is the settled embedding; the gradient is as if it were y and a constant. One noise a search."""
    noises: list[Tensor] = []

    def settle(_: DiffusionModel, y: Tensor, x_T: Tensor) -> Tensor:
        noises.append(x_T)
        return y * 0 + 7

    leaf = y.clone().requires_grad_()
    heard = heard_in_a_search(model, Conditioning("x", {}, settle=settle), leaf, generators(N))
    torch.testing.assert_close(heard, torch.full_like(heard, 7))
    (gradient,) = torch.autograd.grad(heard.sum(), [leaf])
    assert torch.equal(gradient, torch.full_like(y, S))
    assert noises[0].shape == (N, 1, *model.latent_shape)
    assert not torch.equal(noises[0][0], noises[0][1])


def test_standing_alters_every_row_of_a_search(model: DiffusionModel, x_T: Tensor, y: Tensor) -> None:
    """Each row counts as an embedding, L + 1; afterwards the model is as before, and always without ``attend``."""
    told: list[Tensor] = []

    def attend(logits: Tensor, lengths: Tensor) -> Tensor:
        told.append(lengths)
        return logits * 0

    x, t = x_T[:, 0], torch.arange(N)
    before = model.eps(x, t, y)
    with standing(model, Conditioning("x", {}, attend=attend)):
        assert not torch.allclose(model.eps(x, t, y), before)
    assert told[0].tolist() == [21] * N
    for nothing in (None, Conditioning("x", {}, perturb=random_shift)):
        with standing(model, nothing):
            assert torch.equal(model.eps(x, t, y), before)


def test_equal_conditionings_are_equal_bytes() -> None:
    """JSON with sorted keys."""
    assert Conditioning("x", {"b": 1, "a": [2]}).dumps() == b'{"kind": "x", "values": {"a": [2], "b": 1}}'
