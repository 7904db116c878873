"""ε_θ and what surrounds it, whichever pipeline it came from: the one importer of diffusers.

Layers are found by role, never by position: every cross-attention value layer of the down and middle blocks, say,
so that the bundled U-Net and Stable Diffusion's both work.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from torch import Tensor, nn
from transformers.utils import logging as transformers_logging

from worker.engine.diffusion import sample
from worker.engine.edits import Edit, Rows, applied
from worker.engine.errors import ModelRefused, OutOfMemory

MOST_ROWS = 256

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

    ``alpha_bar`` is ᾱ_0 … ᾱ_{T−1}; latents are C×H×W (``latent_shape``); embeddings are L×D.
    """

    pipeline: StableDiffusionPipeline
    digest: str
    family: str
    alpha_bar: Tensor
    latent_shape: tuple[int, int, int]
    work: Work = field(default_factory=Work)
    on_forward: Callable[[int], None] | None = None
    _rows: Rows = field(default_factory=Rows)

    @classmethod
    def load(cls, folder: Path) -> "DiffusionModel":
        """From a local folder in Stable Diffusion's layout; safetensors only, nothing is downloaded."""
        try:
            pipeline = StableDiffusionPipeline.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, dtype=torch.float32, safety_checker=None,
                requires_safety_checker=False,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise ModelRefused(f"{folder.name} is not a Stable Diffusion folder: {error}") from error
        for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
            part.requires_grad_(False).eval()
        pipeline.unet.to(memory_format=torch.channels_last)
        side = pipeline.unet.config.sample_size
        return cls(
            pipeline=pipeline,
            digest=digest_of(folder),
            family="sd1",
            alpha_bar=pipeline.scheduler.alphas_cumprod.clone(),
            latent_shape=(pipeline.unet.config.in_channels, side, side),
        )

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
        """ε_θ(x_t, t, y), B×C×H×W. ``group`` says which edit's masks each row meets inside ``edited``."""
        if torch.is_grad_enabled() and y.requires_grad:
            self.work.forwards_with_gradient += len(x_t)
            return self._predict(x_t, t, y, group)
        self.work.forwards += len(x_t)
        parts = range(0, len(x_t), MOST_ROWS)
        groups = [None if group is None else group[i : i + MOST_ROWS] for i in parts]
        return torch.cat(
            [
                self._predict(x_t[i : i + MOST_ROWS], t[i : i + MOST_ROWS], y[i : i + MOST_ROWS], g)
                for i, g in zip(parts, groups, strict=True)
            ]
        )

    def _predict(self, x_t: Tensor, t: Tensor, y: Tensor, group: Tensor | None) -> Tensor:
        self._rows.group = group
        if self.on_forward is not None:
            self.on_forward(len(x_t))
        x_t = x_t.contiguous(memory_format=torch.channels_last)
        try:
            out: Tensor = self.pipeline.unet(x_t, t, encoder_hidden_states=y, return_dict=False)[0]
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise OutOfMemory(f"{len(x_t)} rows did not fit") from error
        if self.pipeline.scheduler.config.prediction_type == "v_prediction":
            a = self.alpha_bar[t].view(-1, 1, 1, 1)
            return a.sqrt() * out + (1 - a).sqrt() * x_t
        return out

    @torch.no_grad()
    def encode_prompts(self, prompts: list[str]) -> Tensor:
        """y, N×L×D. A prompt longer than L tokens is cut, as the pipeline itself cuts it."""
        tokens = self.pipeline.tokenizer(
            prompts, padding="max_length", truncation=True, max_length=self.tokenizer_length, return_tensors="pt"
        )
        y: Tensor = self.pipeline.text_encoder(tokens.input_ids)[0]
        return y

    def is_cut(self, prompt: str) -> bool:
        """Whether the tokenizer takes less than the whole prompt."""
        return len(self.pipeline.tokenizer(prompt).input_ids) > self.tokenizer_length

    @torch.no_grad()
    def encode_images(self, x: Tensor) -> Tensor:
        """x_0, the posterior's mean times the scaling factor; x is N×3×H×W in [−1, 1]."""
        vae = self.pipeline.vae
        parts = [vae.encode(part).latent_dist.mean for part in x.split(32)]
        return torch.cat(parts) * vae.config.scaling_factor

    @torch.no_grad()
    def decode(self, x_0: Tensor) -> Tensor:
        """Pictures N×3×H×W in [0, 1], rounded to 8 bits as a saved file would be."""
        vae = self.pipeline.vae
        parts = [vae.decode(part / vae.config.scaling_factor).sample for part in x_0.split(32)]
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

    def _layers(self, wanted: Callable[[str], bool]) -> dict[str, nn.Linear]:
        order = {"down_blocks": 0, "mid_block": 1, "up_blocks": 2}
        found = [(p, m) for p, m in self.unet.named_modules() if wanted(p) and isinstance(m, nn.Linear)]
        return dict(sorted(found, key=lambda pair: order[pair[0].split(".")[0]]))

    @contextmanager
    def edited(self, edit: Edit | None) -> Iterator[None]:
        """The model with weights switched off, undone on the way out."""
        with nullcontext() if edit is None else applied(self.unet, edit, self._rows):
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


def digest_of(folder: Path) -> str:
    """sha256 over the relative name and sha256 of every file that makes the model what it is."""
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".safetensors", ".json", ".txt"):
            with path.open("rb") as file:
                lines.append(
                    f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.relative_to(folder).as_posix()}"
                )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
