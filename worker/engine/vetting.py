"""A model's folder before any library reads it: whether it holds a model of Stable Diffusion's layout and nothing else.

    names        the files of the layout below and papers beside them; no links, no devices, no folder too many
    pickles      none, by content and by name
    JSON         plain, bounded, asking for no code, of classes on a list (``configs``)
    weights      headers that say exactly what the file holds (``headers``)

Everything is told from names, sizes, configurations and headers: it costs milliseconds, whatever the model weighs.
"""

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from worker.engine import configs
from worker.engine.errors import FileRefused, ModelPickled, ModelRefused, RemoteCode
from worker.engine.folder import family_of
from worker.engine.headers import tensors_of
from worker.engine.pickled import LOOKED_AT, SUFFIXES, is_pickled

LAYOUT: dict[str, tuple[str, ...]] = {
    ".": ("model_index.json",),
    "unet": ("config.json", "diffusion_pytorch_model*.safetensors", "diffusion_pytorch_model*.safetensors.index.json"),
    "vae": ("config.json", "diffusion_pytorch_model*.safetensors", "diffusion_pytorch_model*.safetensors.index.json"),
    "text_encoder": ("config.json", "generation_config.json", "model*.safetensors", "model*.safetensors.index.json"),
    "tokenizer": (
        *("merges.txt", "vocab.json", "tokenizer.json"),
        *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    ),
    "scheduler": ("scheduler_config.json",),
    "feature_extractor": ("preprocessor_config.json",),
    "safety_checker": ("config.json", "model*.safetensors", "model*.safetensors.index.json"),
}
"""What a model's folders hold. Anything else could be read by a library that was never asked to."""

PAPERS = ("*.md", "LICENSE*", "NOTICE*", ".gitattributes")
"""What may lie beside it and is never read."""

NEEDED = (
    ("model_index.json",),
    ("scheduler/scheduler_config.json",),
    ("tokenizer/tokenizer.json", "tokenizer/vocab.json"),
    *((f"{part}/config.json",) for part in configs.MEASURED),
    *((f"{part}/*.safetensors",) for part in configs.MEASURED),
)
"""Of each line a file that fits."""

CODE = (".py", ".pyc", ".so", ".pyd", ".dll")
MOST_ENTRIES = 256
MOST_TEXT_BYTES = 16 * 2**20
"""Of a JSON file, a vocabulary or a paper; a CLIP tokenizer's is 3.6 MB."""
MOST_CONFIG_BYTES = 2**20
MOST_BYTES = 64 * 2**30
"""Of all files together."""


def vet(folder: Path) -> None:
    """Raises ModelRefused, of the kind that says what is wrong, for a folder that must not be loaded."""
    try:
        files = list(_files_in(folder))
        if sum((folder / path).stat().st_size for path in files) > MOST_BYTES:
            raise FileRefused(f"the files have more than {MOST_BYTES} bytes together")
        for path in files:
            _look_at(folder, path)
    except OSError as error:
        raise FileRefused(f"{folder.name} cannot be read: {type(error).__name__}") from error
    for wanted in NEEDED:
        if not any(fnmatchcase(str(path), pattern) for path in files for pattern in wanted):
            raise ModelRefused(f"{folder.name} is not a Stable Diffusion folder: it has no {wanted[0]}")
    family_of(folder)


def belongs(path: PurePosixPath) -> bool:
    """Whether the layout has such a file."""
    return any(fnmatchcase(path.name, pattern) for pattern in LAYOUT.get(str(path.parent), ()))


def wanted(path: PurePosixPath) -> bool:
    """Whether a file of the layout is fetched: weights of one precision; no safety checker, which is never loaded."""
    variant = "." in path.name.partition(".safetensors")[0] and ".safetensors" in path.name
    return belongs(path) and not variant and path.parts[0] != "safety_checker"


def _files_in(folder: Path) -> Iterator[PurePosixPath]:
    """Every file, in order. Raises FileRefused for a link, for what is no file, and for too much."""
    if not folder.is_dir():
        raise ModelRefused(f"{folder.name} is not a Stable Diffusion folder: there is no such folder")
    seen, places = 0, ["."]
    while places:
        place = places.pop()
        with os.scandir(folder / place) as entries:
            for entry in entries:
                seen += 1
                if seen > MOST_ENTRIES:
                    raise FileRefused(f"the folder holds more than {MOST_ENTRIES} files")
                path = PurePosixPath(place, entry.name)
                if entry.is_symlink():
                    _inside(folder, path)
                if entry.is_dir(follow_symlinks=False):
                    places.append(_layouts(path))
                elif entry.is_file():
                    yield path
                else:
                    raise FileRefused("the folder holds something that is neither a file nor a folder")


def _inside(folder: Path, path: PurePosixPath) -> None:
    """A link may lead to another file of the layout, and nowhere else."""
    target = Path(os.path.realpath(folder / path))  # which, unlike resolve, goes round a loop without an error
    if not target.is_relative_to(folder.resolve()):
        raise FileRefused(f"{_shown(path)} is a link that leads out of the folder")
    if not target.is_file():
        raise FileRefused(f"{_shown(path)} is a link that leads to no file")


def _layouts(path: PurePosixPath) -> str:
    if str(path) not in LAYOUT:
        raise FileRefused(f"a model has no folder {_shown(path)}")
    return str(path)


def _shown(path: PurePosixPath) -> str:
    """A foreign name in a sentence: cut, and with nothing that moves a terminal's cursor."""
    return ascii(str(path))[:80]


def _look_at(folder: Path, path: PurePosixPath) -> None:
    file = folder / path
    with file.open("rb") as content:
        beginning = content.read(LOOKED_AT)
    if is_pickled(beginning) or path.suffix.lower() in SUFFIXES:
        raise ModelPickled(f"{_shown(path)} is a pickle, or may hold one: only safetensors are loaded")
    if path.suffix.lower() in CODE:
        raise RemoteCode(f"{_shown(path)} is code: a model that needs code of its own is not loaded")
    paper = any(fnmatchcase(path.name, pattern) for pattern in PAPERS)
    if not belongs(path) and not paper:
        raise FileRefused(f"{_shown(path)} belongs to no model of this layout")
    if path.suffix == ".safetensors":
        tensors_of(file)
    elif file.stat().st_size > (MOST_CONFIG_BYTES if "config" in path.name else MOST_TEXT_BYTES):
        raise FileRefused(f"{_shown(path)} is larger than such a file may be")
    elif path.suffix == ".json":
        configs.vet(path, file.read_bytes())
