"""ε_θ and what surrounds it, whichever pipeline it came from: the one importer of diffusers.

Layers are found by role, never by position: every cross-attention value layer of the down and middle blocks, say,
so that the bundled U-Net and Stable Diffusion's both work.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import CLIPTextModel
from transformers.utils import logging as transformers_logging

from worker.engine.attention import Alter, See, written_out
from worker.engine.diffusion import sample
from worker.engine.edits import Edit, Rows, applied
from worker.engine.errors import ModelRefused
from worker.engine.folder import Watch, digest_of, family_of
from worker.engine.parts import Parts, fitting
from worker.engine.vetting import vet

MOST_ROWS = 256
MOST_PICTURES = 32
ORDER = ("down_blocks", "mid_block", "up_blocks")
"""In which the parts of a U-Net that hold attention are run."""

UNLOADABLE = (
    *(OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, AssertionError),
    SafetensorError,
)
"""What diffusers, transformers and torch raise for configurations and weights that do not go together."""

FROM_DISK: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "dtype": torch.float32}
_CLASSES: dict[str, Any] = {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "text_encoder": CLIPTextModel}

for quiet in (diffusers_logging, transformers_logging):
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()


@dataclass
class Work:
    """What has been asked of the denoiser, in samples passed through it."""

    forwards: int = 0
    forwards_with_gradient: int = 0


@dataclass
class DiffusionModel:
    """A text-to-image diffusion model under audit. Its weights never change outside ``edited``.

    ``alpha_bar`` is ᾱ_0 … ᾱ_{T−1}; latents are C×H×W (``latent_shape``); embeddings are L×D. ``parts`` and
    ``parts_with_gradient`` say how many rows pass through the denoiser at once, ``pictures`` how many through the
    autoencoder. ``on_forward`` is told the rows of every part before it passes, 0 where it is not the denoiser it
    passes through; ``admit`` is told too and may raise OutOfMemory.
    """

    pipeline: StableDiffusionPipeline
    digest: str
    family: str
    alpha_bar: Tensor
    latent_shape: tuple[int, int, int]
    work: Work = field(default_factory=Work)
    on_forward: Watch | None = None
    admit: Watch | None = None
    parts: Parts = field(default_factory=lambda: Parts(MOST_ROWS))
    parts_with_gradient: Parts = field(default_factory=lambda: Parts(MOST_ROWS))
    pictures: Parts = field(default_factory=lambda: Parts(MOST_PICTURES))
    rows: Rows = field(default_factory=Rows)

    @classmethod
    def load(cls, folder: Path, digest: str | None = None, watch: Watch | None = None) -> "DiffusionModel":
        """From a local folder in Stable Diffusion's layout; safetensors only, nothing is downloaded.

        The folder is vetted first (``worker.engine.vetting``). Raises ModelRefused, by the kind of what is wrong.
        ``digest`` spares reading it all once more; ``watch`` is called with 0 as the loading advances.
        """
        vet(folder)
        family = family_of(folder)
        digest = digest or digest_of(folder, watch)
        try:
            pipeline = StableDiffusionPipeline.from_pretrained(
                folder, **_parts_of(folder, watch), **FROM_DISK, safety_checker=None, requires_safety_checker=False
            )
        except torch.OutOfMemoryError:
            raise
        except UNLOADABLE as error:
            raise ModelRefused(f"{folder.name} is not a Stable Diffusion folder: {error}") from error
        for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
            part.requires_grad_(False).eval()
        pipeline.unet.to(memory_format=torch.channels_last)
        side = pipeline.unet.config.sample_size
        return cls(
            pipeline=pipeline,
            digest=digest,
            family=family,
            alpha_bar=pipeline.scheduler.alphas_cumprod.clone(),
            latent_shape=(pipeline.unet.config.in_channels, side, side),
        )

    @property
    def bytes(self) -> int:
        """What its parameters take."""
        parts = (self.pipeline.unet, self.pipeline.vae, self.pipeline.text_encoder)
        return sum(p.numel() * p.element_size() for part in parts for p in part.parameters())

    @property
    def unet(self) -> nn.Module:
        """ε_θ's module."""
        return self.pipeline.unet

    @property
    def resolution(self) -> int:
        """Side of a picture in pixels."""
        return int(self.pipeline.unet.config.sample_size * self.pipeline.vae_scale_factor)

    @property
    def tokenizer_length(self) -> int:
        """L, tokens of an embedding, the two special ones included."""
        return int(self.pipeline.tokenizer.model_max_length)

    def eps(self, x_t: Tensor, t: Tensor, y: Tensor, group: Tensor | None = None) -> Tensor:
        """ε_θ(x_t, t, y), B×C×H×W. ``group`` says which edit's masks each row meets inside ``edited``.

        Without a gradient the rows pass in parts. With one they pass at once, for its memory is only free after the
        way back: whoever asks for gradients passes ``parts_with_gradient``.
        """
        if torch.is_grad_enabled() and y.requires_grad:
            out = self._predict(x_t, t, y, group, 0)
            self.work.forwards_with_gradient += len(x_t)
            return out

        def predict(part: slice) -> Tensor:
            mine = None if group is None else group[part]
            return self._predict(x_t[part], t[part], y[part], mine, part.start)

        parts = self.parts.of(len(x_t), predict)
        self.work.forwards += len(x_t)
        return torch.cat(parts)

    def _predict(self, x_t: Tensor, t: Tensor, y: Tensor, group: Tensor | None, start: int) -> Tensor:
        self.rows.group, self.rows.start = group, start
        if self.on_forward is not None:
            self.on_forward(len(x_t))
        with fitting(len(x_t)):
            if self.admit is not None:
                self.admit(len(x_t))
            x_t = x_t.contiguous(memory_format=torch.channels_last)
            out: Tensor = self.pipeline.unet(x_t, t, encoder_hidden_states=y, return_dict=False)[0]
        if self.pipeline.scheduler.config.prediction_type == "v_prediction":
            a = self.alpha_bar[t].view(-1, 1, 1, 1)
            return a.sqrt() * out + (1 - a).sqrt() * x_t
        return out

    def _seen(self, part: Tensor) -> Tensor:
        """The same part, once the watch has looked at work that is not the denoiser's."""
        if self.on_forward is not None:
            self.on_forward(0)
        return part

    @torch.no_grad()
    def encode_prompts(self, prompts: list[str]) -> Tensor:
        """y, N×L×D. A prompt longer than L tokens is cut, as the pipeline itself cuts it."""
        y: Tensor = self.pipeline.text_encoder(self.tokenize(prompts))[0]
        return y

    def is_cut(self, prompt: str) -> bool:
        """Whether the tokenizer takes less than the whole prompt."""
        return len(self.pipeline.tokenizer(prompt).input_ids) > self.tokenizer_length

    def tokenize(self, prompts: list[str]) -> Tensor:
        """Token ids N×L as the encoder is given them: begin, text, end, padding."""
        tokens = self.pipeline.tokenizer(
            prompts, padding="max_length", truncation=True, max_length=self.tokenizer_length, return_tensors="pt"
        )
        ids: Tensor = tokens.input_ids
        return ids

    def text_of(self, ids: list[int]) -> str:
        """The text that these tokens are; the special ones among them are left out."""
        return str(self.pipeline.tokenizer.decode(ids, skip_special_tokens=True)).strip()

    @property
    def special_tokens(self) -> list[int]:
        """Ids that stand for no text: begin, end, padding."""
        return sorted(self.pipeline.tokenizer.all_special_ids)

    @property
    def token_table(self) -> Tensor:
        """E, V×D: the embedding of every token, before positions are added."""
        table: Tensor = self.pipeline.text_encoder.get_input_embeddings().weight.detach()
        return table

    def encode_tokens(self, ids: Tensor, e: Tensor) -> Tensor:
        """y, N×L×D, of token embeddings e (N×L×D) in place of those of ``ids``; gradients reach e."""
        table = self.pipeline.text_encoder.get_input_embeddings()
        hook = table.register_forward_hook(lambda *_: e)
        try:
            y: Tensor = self.pipeline.text_encoder(ids)[0]
        finally:
            hook.remove()
        return y

    def lengths(self, prompts: list[str]) -> Tensor:
        """Tokens of every prompt with the two special ones, N; at most L, as ``encode_prompts`` cuts them."""
        ids = self.pipeline.tokenizer(prompts, truncation=True, max_length=self.tokenizer_length).input_ids
        return torch.tensor([len(row) for row in ids])

    @torch.no_grad()
    def encode_images(self, x: Tensor) -> Tensor:
        """x_0, the posterior's mean times the scaling factor; x is N×3×H×W in [−1, 1]."""
        vae = self.pipeline.vae
        parts = self.pictures.of(len(x), lambda part: vae.encode(self._seen(x[part])).latent_dist.mean)
        return torch.cat(parts) * vae.config.scaling_factor

    @torch.no_grad()
    def decode(self, x_0: Tensor) -> Tensor:
        """Pictures N×3×H×W in [0, 1], rounded to 8 bits as a saved file would be."""
        vae = self.pipeline.vae
        z = x_0 / vae.config.scaling_factor
        parts = self.pictures.of(len(z), lambda part: vae.decode(self._seen(z[part])).sample)
        return ((torch.cat(parts) / 2 + 0.5).clamp(0, 1) * 255).round() / 255

    def generate(self, x_T: Tensor, y: Tensor, *, steps: int, g: float, group: Tensor | None = None) -> Tensor:
        """Pictures from noise x_T (N×C×H×W) and embeddings y (N×L×D) by the audit's sampler."""
        doubled = None if group is None else torch.cat([group, group])

        def eps_theta(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
            return self.eps(x_t, t, y, doubled)

        y_empty = self.encode_prompts([""])
        return self.decode(sample(eps_theta, x_T, y, y_empty, steps=steps, g=g, alpha_bar=self.alpha_bar))

    def value_layers(self) -> dict[str, nn.Linear]:
        """Cross-attention W_V of the down and middle blocks, where NeMo looks, in the order they are run."""
        return self._layers(lambda path: path.endswith("attn2.to_v") and path.startswith(("down_blocks", "mid_block")))

    def feedforward_layers(self) -> dict[str, nn.Linear]:
        """The second linear layer of every feed-forward block, where Wanda prunes, in the order they are run."""
        return self._layers(lambda path: path.endswith("ff.net.2"))

    def cross_attention(self) -> dict[str, nn.Module]:
        """Every cross-attention layer, where a text meets the picture, in the order they are run."""
        found = [(path, module) for path, module in self.unet.named_modules() if path.endswith("attn2")]
        return dict(sorted(found, key=lambda pair: ORDER.index(pair[0].split(".")[0])))

    def _layers(self, wanted: Callable[[str], bool]) -> dict[str, nn.Linear]:
        found = [(p, m) for p, m in self.unet.named_modules() if wanted(p) and isinstance(m, nn.Linear)]
        return dict(sorted(found, key=lambda pair: ORDER.index(pair[0].split(".")[0])))

    @contextmanager
    def edited(self, edit: Edit | None) -> Iterator[None]:
        """The model with weights switched off, undone on the way out."""
        with nullcontext() if edit is None else applied(self.unet, edit, self.rows):
            yield

    @contextmanager
    def attention_of(
        self, layers: dict[str, nn.Module], alter: Alter | None = None, see: See | None = None
    ) -> Iterator[None]:
        """Cross-attention layers whose logits ``alter`` changes and whose probabilities ``see`` is shown."""
        with written_out(layers, lambda: self.rows.start, alter, see):
            yield

    @contextmanager
    def inputs_of(self, layers: dict[str, nn.Linear], read: Callable[[str, Tensor], None]) -> Iterator[None]:
        """Call ``read(path, h)`` with the input of every layer whenever it runs."""
        hooks = [
            layer.register_forward_pre_hook(lambda _, args, path=path: read(path, args[0]))
            for path, layer in layers.items()
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def _parts_of(folder: Path, watch: Watch | None) -> dict[str, Any]:
    """The parts that have weights, loaded one by one."""
    parts = {}
    for name, kind in _CLASSES.items():
        parts[name] = kind.from_pretrained(folder / name, **FROM_DISK)
        if watch is not None:
            watch(0)
    return parts
