"""A model's folder in its smallest good form, and what can be wrong with it: each with the code it is refused by."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

INDEX: dict[str, Any] = {
    "_class_name": "StableDiffusionPipeline",
    "feature_extractor": [None, None],
    "requires_safety_checker": False,
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
UNET, WEIGHTS = "unet/config.json", "unet/diffusion_pytorch_model.safetensors"
A = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
B = {"dtype": "F16", "shape": [2, 3], "data_offsets": [8, 20]}


def weights(header: Any, data: int, length: int | None = None) -> bytes:
    """A safetensors file: its header (as JSON unless it is bytes), so many bytes of zeros, and what it says N is."""
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(content) if length is None else length) + content + bytes(data)


GOOD = weights({"a": A, "b": B, "__metadata__": {"format": "pt"}}, 20)


def write(folder: Path) -> Path:
    """The good folder: every file that is needed, and papers."""
    files: dict[str, Any] = {
        "model_index.json": INDEX,
        UNET: {"_class_name": "UNet2DConditionModel", "sample_size": 8, "block_out_channels": [8, 16]},
        "vae/config.json": {"_class_name": "AutoencoderKL", "scaling_factor": 0.18215},
        "text_encoder/config.json": {"architectures": ["CLIPTextModel"], "hidden_size": 16},
        "scheduler/scheduler_config.json": {"_class_name": "DDIMScheduler", "trained_betas": None},
        "tokenizer/vocab.json": {"a": 0, "<|endoftext|>": 1},
        "tokenizer/tokenizer_config.json": {"model_max_length": 77},
        "tokenizer/merges.txt": b"#version: 0.2\na b\n",
        WEIGHTS: GOOD,
        "vae/diffusion_pytorch_model.safetensors": GOOD,
        "text_encoder/model.safetensors": GOOD,
        "README.md": b"# A model\n",
        "LICENSE": b"(as it is)\n",
    }
    for path, content in files.items():
        put(folder, path, content)
    return folder


def put(folder: Path, path: str, content: Any) -> None:
    """One file; what is no bytes is written as JSON."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


class Opened:
    """Its pickle makes a folder when it is opened, which no test ever sees."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("/tmp/palimpsest-a-pickle-was-opened",)


def pickled(protocol: int) -> bytes:
    """A pickle that runs something."""
    return pickle.dumps(Opened(), protocol)


def archive() -> bytes:
    """What ``torch.save`` writes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("archive/data.pkl", pickled(2))
    return file.getvalue()


Spoil = Callable[[Path], None]


def with_file(path: str, content: Any) -> Spoil:
    """The folder with this file in it."""
    return lambda folder: put(folder, path, content)


def with_index(**changed: Any) -> Spoil:
    """The folder whose index says this instead."""
    return with_file("model_index.json", INDEX | changed)


def without(path: str) -> Spoil:
    """The folder without this file."""
    return lambda folder: (folder / path).unlink()


def with_link(path: str, target: str) -> Spoil:
    """The folder with a link in it."""

    def spoil(folder: Path) -> None:
        (folder / path).unlink(missing_ok=True)
        (folder / path).symlink_to(target)

    return spoil


def with_pipe(folder: Path) -> None:
    """Whoever opens it waits for ever."""
    os.mkfifo(folder / "unet" / "diffusion_pytorch_model.fp16.safetensors")


def with_many_files(folder: Path) -> None:
    """More than a model has."""
    for number in range(300):
        put(folder, f"unet/diffusion_pytorch_model.{number}.safetensors", GOOD)


def with_a_large_file(path: str, size: int) -> Spoil:
    """A file that is longer than what it says, and takes no room."""

    def spoil(folder: Path) -> None:
        with (folder / path).open("r+b") as file:
            file.truncate(size)

    return spoil


REFUSED, FILE, PICKLED = "MODEL_REFUSED", "MODEL_FILE_REFUSED", "MODEL_PICKLED"
CONFIG, CODE, CLASS = "MODEL_CONFIG_REFUSED", "MODEL_REMOTE_CODE", "MODEL_CLASS_REFUSED"

FOLDERS: dict[str, tuple[Spoil, str]] = {
    "no index": (without("model_index.json"), REFUSED),
    "no weights": (without(WEIGHTS), REFUSED),
    "no scheduler": (without("scheduler/scheduler_config.json"), REFUSED),
    "no vocabulary": (without("tokenizer/vocab.json"), REFUSED),
    # pickles
    "pickled weights beside": (with_file("unet/diffusion_pytorch_model.bin", pickled(2)), PICKLED),
    "an archive beside": (with_file("v1-5-pruned.ckpt", archive()), PICKLED),
    "a .pt that is none": (with_file("unet/extra.pt", b"hello"), PICKLED),
    "a suffix in capitals": (with_file("unet/model.BIN", b"hello"), PICKLED),
    "an array file": (with_file("unet/a.npy", b"\x93NUMPY"), PICKLED),
    **{
        f"a pickle of protocol {protocol} named .safetensors": (with_file(WEIGHTS, pickled(protocol)), PICKLED)
        for protocol in range(6)
    },
    "an archive named .safetensors": (with_file(WEIGHTS, archive()), PICKLED),
    "a pickle named .json": (with_file("tokenizer/added_tokens.json", pickled(4)), PICKLED),
    "a pickle named .txt": (with_file("tokenizer/merges.txt", pickled(0)), PICKLED),
    "a pickle named README.md": (with_file("README.md", pickled(2)), PICKLED),
    # names and links
    "a file of another name": (with_file("unet/extra.json", {}), FILE),
    "a suffix in other letters": (with_file("unet/diffusion_pytorch_model.SAFETENSORS", GOOD), FILE),
    "weights at the top": (with_file("v1-5-pruned.safetensors", GOOD), FILE),
    "an adapter that names another model": (
        with_file("text_encoder/adapter_config.json", {"base_model_name_or_path": "evil/model"}),
        FILE,
    ),
    "a folder of another name": (with_file("unet2/config.json", {}), FILE),
    "a folder within": (with_file("unet/unet/config.json", {}), FILE),
    "a hidden folder": (with_file(".cache/huggingface/x.json", {}), FILE),
    "a folder named as a file": (with_file("vae/config.json.d/x.json", {}), FILE),
    "an archive of another kind": (with_file("model.tar.gz", b"\x1f\x8b\x08"), FILE),
    "a name that moves the cursor": (with_file("unet/\x1b[2Jx.json", {}), FILE),
    "a link out of the folder": (with_link(WEIGHTS, "/etc/hostname"), FILE),
    "a relative link out of it": (with_link("tokenizer/vocab.json", "../../../vocab.json"), FILE),
    "a link to nothing": (with_link("tokenizer/vocab.json", "nothing.json"), FILE),
    "a link to itself": (with_link("tokenizer/vocab.json", "vocab.json"), FILE),
    "a link to a folder": (with_link("unet/diffusion_pytorch_model.x.safetensors", "../vae"), FILE),
    "a pipe": (with_pipe, FILE),
    "too many files": (with_many_files, FILE),
    "a README without an end": (with_a_large_file("README.md", 2**25), FILE),
    "a configuration without an end": (with_a_large_file(UNET, 2**21), FILE),
    "weights of half a terabyte": (with_a_large_file(WEIGHTS, 2**39), FILE),
    # JSON
    "no JSON": (with_file(UNET, b"hello"), CONFIG),
    "no text": (with_file(UNET, b'{"a": "\xff"}'), CONFIG),
    "a list": (with_file(UNET, []), CONFIG),
    "a key twice": (with_file(UNET, b'{"sample_size": 8, "sample_size": 9}'), CONFIG),
    "NaN": (with_file(UNET, b'{"norm_eps": NaN}'), CONFIG),
    "a number that is infinite": (with_file(UNET, b'{"norm_eps": 1e999}'), CONFIG),
    "a number of ten thousand digits": (with_file(UNET, b'{"sample_size": ' + b"9" * 10_000 + b"}"), CONFIG),
    "deep lists": (with_file(UNET, b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}"), CONFIG),
    "lists deeper than the stack": (with_file(UNET, b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"), CONFIG),
    "a network of a billion layers": (with_file("text_encoder/config.json", {"num_hidden_layers": 10**9}), CONFIG),
    "a thousand layers a block": (with_file(UNET, {"layers_per_block": [1, 1000]}), CONFIG),
    "a width without an end": (with_file(UNET, {"cross_attention_dim": 2**40}), CONFIG),
    "a thousand blocks": (with_file(UNET, {"block_out_channels": [8] * 1000}), CONFIG),
    "quantized": (with_file("text_encoder/config.json", {"quantization_config": {"quant_method": "x"}}), CONFIG),
    "weights from elsewhere": (
        with_file(f"{WEIGHTS}.index.json", {"weight_map": {"a": "../../elsewhere.safetensors"}}),
        CONFIG,
    ),
    "an index to a pickle": (with_file(f"{WEIGHTS}.index.json", {"weight_map": {"a": "model.bin"}}), CONFIG),
    "an index to nothing": (with_file(f"{WEIGHTS}.index.json", {"weight_map": ["model.safetensors"]}), CONFIG),
    # code
    "code of its own": (with_file("unet/my_unet.py", b"import os\n"), CODE),
    "machine code": (with_file("libmodel.so", b"\x7fELF"), CODE),
    "a class in a file of its own": (with_file(UNET, {"auto_map": {"AutoModel": "my_unet.Unet"}}), CODE),
    "such a class, deep down": (with_file("tokenizer/tokenizer.json", {"model": [{"auto_map": {}}]}), CODE),
    "a pipeline in a file of its own": (with_index(_class_name=["my_pipeline", "Mine"]), CODE),
    "a pipeline of another repository": (with_index(custom_pipeline="evil/pipeline"), CODE),
    "trust_remote_code": (with_file("tokenizer/tokenizer_config.json", {"trust_remote_code": True}), CODE),
    "no pipeline": (with_index(_class_name=None), CODE),
    # classes
    "another pipeline": (with_index(_class_name="FluxPipeline"), CLASS),
    "another U-Net": (with_index(unet=["diffusers", "UNet3DConditionModel"]), CLASS),
    "a class of a module of its own": (with_index(unet=["my_unet", "UNet2DConditionModel"]), CLASS),
    "a class of the standard library": (with_index(scheduler=["os", "system"]), CLASS),
    "a part of another name": (with_index(upsampler=["diffusers", "UNet2DConditionModel"]), CLASS),
    "no pair": (with_index(vae=["diffusers"]), CLASS),
    "a pair of lists": (with_index(vae=[["diffusers"], ["AutoencoderKL"]]), CLASS),
    "a class in a part's configuration": (with_file(UNET, {"_class_name": "StableCascadeUNet"}), CLASS),
    "a class that is a list": (with_file(UNET, {"_class_name": ["my_unet", "Unet"]}), CLASS),
}
"""What is wrong, how it gets so, and the code."""

LONG = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}

HEADERS: dict[str, bytes] = {
    "empty": b"",
    "shorter than a length": b"\x10\0\0",
    "a length and no more": struct.pack("<Q", 16),
    "a header of no bytes": weights(b"", 0),
    "a header longer than the file": weights({"a": A}, 0, length=2**21),
    "a header of a hundred megabytes": weights({"a": A}, 8, length=100 * 2**20),
    "a header of 2^64 − 1 bytes": weights({"a": A}, 8, length=2**64 - 1),
    "five megabytes of header": weights(b'{"a": 1}' + b" " * 5 * 2**20, 0),
    "no JSON": weights(b"{hello}", 0),
    "no text": weights(b'{"\xff": 1}', 0),
    "a list": weights([A], 8),
    "blanks before the object": weights(b" " + json.dumps({"a": A}).encode(), 8),
    "something behind the object": weights(json.dumps({"a": A}).encode() + b"{}", 8),
    "nested without an end": weights(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 0),
    "no tensor": weights({}, 0),
    "metadata only": weights({"__metadata__": {}}, 0),
    "metadata that are numbers": weights({"__metadata__": {"a": 1}, "a": A}, 8),
    "metadata that are a list": weights({"__metadata__": [], "a": A}, 8),
    "a name twice": weights(b'{"a": %b, "a": %b}' % ((json.dumps(A).encode(),) * 2), 8),
    "a field twice": weights(b'{"a": {"dtype": "F32", "shape": [2], "shape": [2], "data_offsets": [0, 8]}}', 8),
    "metadata twice": weights(b'{"__metadata__": {}, "__metadata__": {}, "a": %b}' % json.dumps(A).encode(), 8),
    "thirty thousand tensors": weights(
        {f"{n}": {**LONG, "data_offsets": [4 * n, 4 * n + 4]} for n in range(30_000)}, 120_000
    ),
    "a tensor that is a list": weights({"a": [A]}, 8),
    "no dtype": weights({"a": {"shape": [2], "data_offsets": [0, 8]}}, 8),
    "a field too many": weights({"a": {**A, "device": "cuda"}}, 8),
    "an unknown dtype": weights({"a": {**A, "dtype": "F31"}}, 8),
    "a dtype that is a list": weights({"a": {**A, "dtype": ["F32"]}}, 8),
    "a dtype in small letters": weights({"a": {**A, "dtype": "f32"}}, 8),
    "another dtype than the bytes": weights({"a": {**A, "dtype": "F16"}}, 8),
    "another shape than the bytes": weights({"a": {**A, "shape": [3]}}, 8),
    "a shape that is a number": weights({"a": {**A, "shape": 2}}, 8),
    "a negative shape": weights({"a": {**A, "shape": [-1, -2]}}, 8),
    "a shape of fractions": weights({"a": {**A, "shape": [2.0]}}, 8),
    "a shape of truths": weights({"a": {**A, "shape": [True, 2]}}, 8),
    "a shape that wraps around 2^64": weights({"a": {**A, "shape": [2**63, 2, 2]}}, 8),
    "nine dimensions": weights({"a": {**A, "shape": [1] * 8 + [2]}}, 8),
    "no number at all": weights({"a": A, "b": {"dtype": "F32", "shape": [0], "data_offsets": [8, 8]}}, 8),
    "one offset for many that are empty": weights(
        {"a": A} | {f"z{n}": {"dtype": "F32", "shape": [0, 2**40], "data_offsets": [8, 8]} for n in range(100)}, 8
    ),
    "one offset": weights({"a": {**A, "data_offsets": [8]}}, 8),
    "negative offsets": weights({"a": {**A, "data_offsets": [-8, 0]}}, 8),
    "offsets turned round": weights({"a": {**A, "data_offsets": [8, 0]}}, 8),
    "offsets that are texts": weights({"a": {**A, "data_offsets": ["0", "8"]}}, 8),
    "two tensors in one place": weights({"a": A, "b": A}, 8),
    "tensors that overlap": weights({"a": A, "b": {**A, "data_offsets": [4, 12]}}, 12),
    "a gap before the first": weights({"a": {**A, "data_offsets": [4, 12]}}, 12),
    "a gap between": weights({"a": A, "b": {**B, "data_offsets": [12, 24]}}, 24),
    "bytes behind the last": weights({"a": A}, 9),
    "past the end of the file": weights({"a": A}, 7),
    "far past the end of the file": weights({"a": {"dtype": "U8", "shape": [2**40], "data_offsets": [0, 2**40]}}, 8),
}
"""What is wrong with a file that calls itself safetensors; each is refused as MODEL_WEIGHTS_MALFORMED."""
