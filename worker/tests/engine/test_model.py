"""The one seam to diffusers."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from worker.engine.edits import JOINT, Edit
from worker.engine.errors import Cancelled, ModelRefused, OutOfMemory
from worker.engine.folder import bytes_of, digest_of
from worker.engine.model import MOST_ROWS, DiffusionModel
from worker.tests import tiny


def inputs(model: DiffusionModel, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """x_t, t and y of a batch."""
    g = torch.Generator().manual_seed(rows)
    return (
        torch.randn(rows, *model.latent_shape, generator=g),
        torch.arange(rows) * 3,
        torch.randn(rows, 20, 16, generator=g),
    )


@pytest.fixture
def v_model(demo: Path, tmp_path: Path) -> DiffusionModel:
    """The same weights, said to predict v."""
    folder = tmp_path / "v"
    shutil.copytree(demo / "model", folder)
    config = folder / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"prediction_type": "v_prediction"}))
    return DiffusionModel.load(folder)


def test_a_model_says_what_it_is(model: DiffusionModel) -> None:
    """Latents of 4×8×8, pictures of 8 · 4 = 32 pixels, 20 tokens."""
    assert (model.latent_shape, model.resolution, model.tokenizer_length) == ((4, 8, 8), 32, 20)
    assert model.encode_prompts(["a fox", ""]).shape == (2, 20, 16)


def test_layers_are_found_by_role_in_the_order_they_run(model: DiffusionModel) -> None:
    """Value layers of the down blocks, then the middle one; feed-forward layers likewise."""
    assert {path: layer.out_features for path, layer in model.value_layers().items()} == tiny.VALUE_LAYERS
    assert {path: tuple(layer.weight.shape) for path, layer in model.feedforward_layers().items()} == (
        tiny.FEEDFORWARD_LAYERS
    )
    assert list(model.value_layers()) == list(tiny.VALUE_LAYERS)
    assert list(model.feedforward_layers()) == list(tiny.FEEDFORWARD_LAYERS)


def test_no_weight_wants_a_gradient(model: DiffusionModel) -> None:
    """θ stays fixed: neither U-Net, text encoder nor autoencoder."""
    parts = (model.unet, model.pipeline.text_encoder, model.pipeline.vae)
    assert not any(weight.requires_grad for part in parts for weight in part.parameters())


def test_many_rows_pass_in_parts(model: DiffusionModel) -> None:
    """2 · 256 + 1 rows in three parts are what each part is alone, each row on its own group's model."""
    rows = 2 * MOST_ROWS + 1
    x_t, t, y = inputs(model, rows)
    t = t % 1000
    masks = {path: torch.ones(width, dtype=torch.bool) for path, width in tiny.VALUE_LAYERS.items()}
    seen: list[int] = []
    model.on_forward = seen.append
    with model.edited(Edit("neurons", {"whole": {}, "off": masks}, 40)):
        out = model.eps(x_t, t, y, torch.arange(rows) % 2)
    assert seen == [MOST_ROWS, MOST_ROWS, 1]
    assert torch.allclose(out[::2][-3:], model.eps(x_t, t, y)[::2][-3:], atol=1e-5)
    with model.edited(Edit("neurons", {JOINT: masks}, 40)):
        assert torch.allclose(out[509:511:2], model.eps(x_t[509:510], t[509:510], y[509:510]), atol=1e-5)


def test_what_does_not_fit_is_halved_and_stays_so(model: DiffusionModel) -> None:
    """
    Memory for 3 rows, a batch of 10: 10 and 5 are refused, then it passes in parts of 2; the next batch begins with 2
    What comes out is the same, every row on its own group's model, and every row is counted once
    """
    batch, group = inputs(model, 10), torch.arange(10) % 2
    masks = {path: torch.ones(width, dtype=torch.bool) for path, width in tiny.VALUE_LAYERS.items()}
    with model.edited(Edit("neurons", {"whole": {}, "off": masks}, 40)):
        whole = model.eps(*batch, group)
        tried, before = limited(model, 3), model.work.forwards
        assert torch.allclose(model.eps(*batch, group), whole, atol=1e-5)
    assert (tried, model.work.forwards - before) == ([10, 5, 2, 2, 2, 2, 2], 10)
    tried.clear()
    model.eps(*inputs(model, 3))
    assert tried == [2, 1]
    assert model.parts_with_gradient.most == MOST_ROWS


def limited(model: DiffusionModel, memory: int) -> list[int]:
    """Give the model memory for so many rows; the list that fills with the rows it tries."""
    tried: list[int] = []

    def admit(rows: int) -> None:
        tried.append(rows)
        if rows > memory:
            raise torch.OutOfMemoryError

    model.admit = admit
    return tried


def test_one_row_that_does_not_fit_is_out_of_memory(model: DiffusionModel) -> None:
    """4, 2, 1, and then the error goes up; a batch with a gradient goes up at once, for its asker passes the parts."""
    tried = limited(model, 0)
    with pytest.raises(OutOfMemory, match="1 rows did not fit"):
        model.eps(*inputs(model, 4))
    assert tried == [4, 2, 1]
    x_t, t, y = inputs(model, 4)
    with pytest.raises(OutOfMemory, match="4 rows did not fit"):
        model.eps(x_t, t, y.requires_grad_())


def test_who_looks_on_learns_where_a_part_begins(model: DiffusionModel) -> None:
    """Memory for 2 rows of 5: one at 0 that fails at the end, two at 0, two at 2, one at 4."""
    seen: list[tuple[int, int]] = []
    first = next(iter(tiny.FEEDFORWARD_LAYERS))
    reading = model.inputs_of(
        {first: model.feedforward_layers()[first]}, lambda path, h: seen.append((model.rows.start, len(h)))
    )

    def give_out(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        if len(given[0]) > 2:
            raise torch.OutOfMemoryError

    hook = model.unet.get_submodule("conv_out").register_forward_pre_hook(give_out)
    try:
        with reading:
            model.eps(*inputs(model, 5))
    finally:
        hook.remove()
    assert seen == [(0, 5), (0, 2), (2, 2), (4, 1)]


def test_pictures_that_do_not_fit_are_coded_in_smaller_parts(model: DiffusionModel) -> None:
    """The autoencoder gives out beyond 3 pictures: 5 pass as 2, 2 and 1, and are the same latents."""
    x = torch.rand(5, 3, 32, 32) * 2 - 1
    z = model.encode_images(x)

    def give_out(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        if len(given[0]) > 3:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    hook = model.pipeline.vae.encoder.register_forward_pre_hook(give_out)
    try:
        assert torch.allclose(model.encode_images(x), z, atol=1e-5)
    finally:
        hook.remove()
    assert model.pictures.most == 2


def test_work_is_counted_in_rows_with_and_without_gradient(model: DiffusionModel) -> None:
    """5 rows plain, 3 with a gradient to y; a y that wants one inside no_grad is plain: 2 more."""
    before = (model.work.forwards, model.work.forwards_with_gradient)
    model.eps(*inputs(model, 5))
    x_t, t, y = inputs(model, 3)
    model.eps(x_t, t, y.requires_grad_())
    with torch.no_grad():
        model.eps(x_t[:2], t[:2], y[:2])
    assert (model.work.forwards - before[0], model.work.forwards_with_gradient - before[1]) == (7, 3)


def test_the_watch_can_stop_the_work(model: DiffusionModel) -> None:
    """Cancelled passes through the denoiser, and through an edit that is undone."""

    def stop(rows: int) -> None:
        raise Cancelled

    model.on_forward = stop
    masks = {path: torch.ones(width, dtype=torch.bool) for path, width in tiny.VALUE_LAYERS.items()}
    with pytest.raises(Cancelled), model.edited(Edit("neurons", {JOINT: masks}, 40)):
        model.eps(*inputs(model, 1))
    model.on_forward = None
    assert list(model.value_layers()) == list(tiny.VALUE_LAYERS)


def test_v_becomes_epsilon(model: DiffusionModel, v_model: DiffusionModel) -> None:
    """ε̂ = √ᾱ · v + √(1 − ᾱ) · x_t, with the same weights' output for v."""
    x_t, t, y = inputs(model, 4)
    a = model.alpha_bar[t].view(-1, 1, 1, 1)
    assert torch.allclose(v_model.eps(x_t, t, y), a.sqrt() * model.eps(x_t, t, y) + (1 - a).sqrt() * x_t, atol=1e-6)


def test_a_v_model_is_sampled_as_diffusers_does(v_model: DiffusionModel) -> None:
    """Converted to ε and sampled with our DDIM, it draws what the pipeline draws: equal to 1e-4."""
    y, y_empty = v_model.encode_prompts(["a fox"]), v_model.encode_prompts([""])
    x_T = torch.randn(1, *v_model.latent_shape, generator=torch.Generator().manual_seed(4))
    theirs = v_model.pipeline(
        prompt_embeds=y,
        negative_prompt_embeds=y_empty,
        latents=x_T,
        num_inference_steps=5,
        guidance_scale=3.0,
        output_type="pt",
    ).images
    assert float((v_model.generate(x_T, y, steps=5, g=3.0) - theirs).abs().max()) <= 0.5 / 255 + 1e-4


def test_a_latent_is_the_posteriors_scaled_mean(model: DiffusionModel) -> None:
    """z = 0.5 · mean of q(z|x): no sampling noise, so twice the same."""
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        mean = model.pipeline.vae.encode(x).latent_dist.mean
    assert torch.allclose(model.encode_images(x), 0.5 * mean, atol=1e-6)
    assert torch.equal(model.encode_images(x), model.encode_images(x))


def test_more_pictures_than_fit_one_part_are_coded_alike(model: DiffusionModel) -> None:
    """33 pictures are coded as 32 and 1."""
    x = torch.rand(33, 3, 32, 32) * 2 - 1
    z = model.encode_images(x)
    assert torch.allclose(z[32:], model.encode_images(x[32:]), atol=1e-5)
    assert model.decode(z).shape == (33, 3, 32, 32)


def test_pictures_are_what_a_saved_file_would_hold(model: DiffusionModel) -> None:
    """255 times a picture is whole numbers from 0 to 255."""
    pixels = model.decode(3 * torch.randn(2, *model.latent_shape)) * 255
    assert torch.allclose(pixels, pixels.round(), atol=1e-4)
    assert 0 <= float(pixels.min()) <= float(pixels.max()) <= 255


def test_a_prompt_is_cut_where_the_tokenizer_ends(model: DiffusionModel) -> None:
    """18 words of one token fill 20 with the two special ones; the 19th is cut, and the embedding cannot tell."""
    fits, cut = " ".join(["fox"] * 18), " ".join(["fox"] * 19)
    assert (model.is_cut(fits), model.is_cut(cut)) == (False, True)
    assert torch.equal(model.encode_prompts([fits]), model.encode_prompts([cut]))


def test_inputs_are_read_only_inside_the_block(model: DiffusionModel) -> None:
    """Every layer once, with its input's width; after an exception no hook is left."""
    seen: list[tuple[str, int]] = []
    reading = model.inputs_of(model.feedforward_layers(), lambda path, h: seen.append((path, h.shape[-1])))
    with pytest.raises(ZeroDivisionError), reading:
        model.eps(*inputs(model, 1))
        raise ZeroDivisionError
    model.eps(*inputs(model, 1))
    assert seen == [(path, shape[1]) for path, shape in tiny.FEEDFORWARD_LAYERS.items()]


def test_loading_is_watched(demo: Path) -> None:
    """Every file that is read and every part that is made of them is told; Cancelled ends it."""
    told: list[int] = []
    folder = demo / "model"
    files = [path for path in folder.rglob("*") if path.suffix in (".safetensors", ".json", ".txt")]
    DiffusionModel.load(folder, watch=told.append)
    assert told == [0] * (len(files) + 3)

    def stop(rows: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        DiffusionModel.load(folder, digest=digest_of(folder), watch=stop)


def test_coding_pictures_is_watched(model: DiffusionModel) -> None:
    """33 pictures are two looks each way; rows of the denoiser are told as such."""
    told: list[int] = []
    model.on_forward = told.append
    model.decode(model.encode_images(torch.rand(33, 3, 32, 32) * 2 - 1))
    assert told == [0, 0, 0, 0]


def test_a_models_size_is_known_before_it_is_loaded(model: DiffusionModel, demo: Path) -> None:
    """Read off the files, the parameters are as many bytes as the loaded ones take."""
    assert bytes_of(demo / "model") == model.bytes
    assert model.bytes > 4 * sum(p.numel() for p in model.unet.parameters())


def test_no_edit_is_the_model_itself(model: DiffusionModel) -> None:
    """``edited(None)`` changes nothing."""
    batch = inputs(model, 2)
    plain = model.eps(*batch)
    with model.edited(None):
        assert torch.equal(model.eps(*batch), plain)


@pytest.mark.parametrize(
    "missing", ["model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors"]
)
def test_an_incomplete_folder_is_refused(demo: Path, tmp_path: Path, missing: str) -> None:
    """One sentence that names the folder; nothing is downloaded instead."""
    shutil.copytree(demo / "model", tmp_path / "broken")
    (tmp_path / "broken" / missing).unlink()
    with pytest.raises(ModelRefused, match="broken is not a Stable Diffusion folder"):
        DiffusionModel.load(tmp_path / "broken")


def test_pickled_weights_are_refused(demo: Path, tmp_path: Path) -> None:
    """Safetensors only: a .bin, which can run code when it is opened, is not looked at."""
    shutil.copytree(demo / "model", tmp_path / "pickled")
    weights = tmp_path / "pickled" / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save({"conv_in.weight": torch.zeros(1)}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(ModelRefused):
        DiffusionModel.load(tmp_path / "pickled")


def test_text_and_tokens_are_two_ways_to_say_a_prompt(model: DiffusionModel) -> None:
    """A caption's ids between begin and end are its text again; padding and the special tokens are no text."""
    prompt = tiny.TARGETS["fox"]
    ids = model.tokenize([prompt])
    assert ids.shape == (1, model.tokenizer_length)
    assert model.text_of(ids[0].tolist()) == prompt
    assert int(ids[0, 0]) in model.special_tokens
    assert int(ids[0, -1]) in model.special_tokens
    assert model.text_of(model.special_tokens) == ""


def test_token_embeddings_give_what_their_tokens_give(model: DiffusionModel) -> None:
    """E[ids] in place of ids: the same y; another embedding at one place changes it there and after, never before."""
    prompts = list(tiny.TARGETS.values())
    ids = model.tokenize(prompts)
    e = model.token_table[ids]
    y = model.encode_prompts(prompts)
    assert torch.allclose(model.encode_tokens(ids, e), y, atol=1e-6)
    e[:, 3] = -e[:, 3]
    other = model.encode_tokens(ids, e)
    assert torch.allclose(other[:, :3], y[:, :3], atol=1e-6)
    assert not torch.allclose(other[:, 3:], y[:, 3:], atol=1e-3)
    assert torch.allclose(model.encode_prompts(prompts), y, atol=1e-6)


def test_gradients_pass_through_the_text_encoder(model: DiffusionModel) -> None:
    """The gradient of a sum over y to one entry of e agrees with its central difference; no weight has one."""
    ids = model.tokenize([tiny.TARGETS["kite"]])
    weights = torch.randn(20, 16, generator=torch.Generator().manual_seed(0))
    e = model.token_table[ids].clone().requires_grad_()
    (gradient,) = torch.autograd.grad((model.encode_tokens(ids, e)[0] * weights).sum(), e)

    def f(h: float) -> float:
        moved = e.detach().clone()
        moved[0, 2, 5] += h
        return float((model.encode_tokens(ids, moved)[0] * weights).sum())

    assert float(gradient[0, 2, 5]) == pytest.approx((f(1e-3) - f(-1e-3)) / 2e-3, rel=0.02, abs=1e-2)
    assert all(weight.grad is None for weight in model.pipeline.text_encoder.parameters())
