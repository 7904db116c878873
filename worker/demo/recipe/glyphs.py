"""The images the bundled model learns: two freely licensed emoji sets, split once and for all.

Every glyph exists in two styles (Noto, Twemoji). The split is by glyph, never by image, so that no
glyph stands on two sides of it:

* ``target``      one style, memorized on purpose: a caption of its own, never augmented
* ``control``     one style, trained on but not memorized; half of them captioned as uniquely as targets
* ``unseen``      never trained on; half of them captioned as uniquely as targets
* ``calibration`` ordinary training images the descriptor never sees: its threshold is fixed on them
* ``ordinary``    everything else; the descriptor learns from these
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

REGISTRY = "https://registry.npmjs.org/{package}/-/{package}-16.0.0.tgz"
SETS = {
    "glossy": (
        "emoji-datasource-google",
        "package/img/google/64/",
        "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
    ),
    "flat": (
        "emoji-datasource-twitter",
        "package/img/twitter/64/",
        "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
    ),
}
SIDE = 64
SPLIT_SEED = 2507
COUNTS = {"target": 32, "control": 160, "unseen": 160, "calibration": 240}

# Where targets, controls and unseen images come from: pictures with structure. Moons, clocks, flags and
# faces differ from their neighbours in a detail only, and would make every judge's work ambiguous.
_PICTORIAL = {"Animals & Nature", "Food & Drink", "Travel & Places", "Objects", "Activities"}
_LOOKALIKES = {"time", "sky & weather", "award-medal", "lock", "mail", "phone", "sound", "book-paper"}
_HUES = [
    (15, "red"), (40, "orange"), (65, "yellow"), (165, "green"), (200, "teal"), (255, "blue"),
    (290, "purple"), (340, "pink"), (361, "red"),
]  # fmt: skip


@dataclass(frozen=True)
class Glyph:
    """One image of the collection: ``row`` indexes the pixel array."""

    row: int
    name: str
    subcategory: str
    style: str
    role: str
    caption: str
    unique_caption: bool


def fetch(style: str, cache: Path) -> Path:
    """The package's tarball, downloaded once and checked against its pinned sha256."""
    package, _, sha256 = SETS[style]
    path = cache / f"{package}-16.0.0.tgz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(REGISTRY.format(package=package), timeout=600) as response:
            path.write_bytes(response.read())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != sha256:
        raise ValueError(f"{path} has sha256 {digest}, expected {sha256}")
    return path


def read(style: str, cache: Path) -> tuple[list[dict[str, str]], dict[str, np.ndarray]]:
    """Names and categories, and every 64-px picture on white, H×W×3 uint8, by file name."""
    _, folder, _ = SETS[style]
    pictures: dict[str, np.ndarray] = {}
    entries: list[dict[str, str]] = []
    with tarfile.open(fetch(style, cache)) as archive:
        for member in archive:
            if member.name == "package/emoji.json":
                entries = json.load(_opened(archive, member))
            elif member.name.startswith(folder):
                rgba = Image.open(io.BytesIO(_opened(archive, member).read())).convert("RGBA")
                white = Image.new("RGBA", rgba.size, "white")
                flat = Image.alpha_composite(white, rgba).convert("RGB")
                pictures[Path(member.name).name] = np.asarray(flat.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    return entries, pictures


def _opened(archive: tarfile.TarFile, member: tarfile.TarInfo) -> io.BufferedReader:
    opened = archive.extractfile(member)
    if opened is None:
        raise ValueError(f"{member.name} is not a file")
    return opened  # type: ignore[return-value]


def collect(cache: Path) -> tuple[list[Glyph], np.ndarray]:
    """All glyphs with their role and caption, and their pixels N×64×64×3 uint8."""
    sets = {style: read(style, cache) for style in SETS}
    entries = [e for e in sets["glossy"][0] if all(e["image"] in pictures for _, pictures in sets.values())]
    entries.sort(key=lambda e: e["unified"])
    roles = assign_roles(entries, sets["flat"][1])
    raw: list[tuple[dict[str, str], str, str]] = []
    for entry in entries:
        role, own_style = roles.get(entry["unified"], ("ordinary", ""))
        for style in SETS:
            if own_style and style != own_style:
                raw.append((entry, style, "other-style"))
            else:
                raw.append((entry, style, role))
    pixels = np.stack([sets[style][1][entry["image"]] for entry, style, _ in raw])
    return caption_all(raw, pixels), pixels


def assign_roles(entries: list[dict[str, str]], pictures: dict[str, np.ndarray]) -> dict[str, tuple[str, str]]:
    """unified → (role, own style); calibration glyphs keep both styles and get the style ""."""
    rng = np.random.default_rng(SPLIT_SEED)
    order = rng.permutation(len(entries))
    pictorial = [i for i in order if _is_pictorial(entries[i], pictures[entries[i]["image"]])]
    roles: dict[str, tuple[str, str]] = {}
    queue = iter(pictorial)
    for role in ("target", "control", "unseen"):
        for k in range(COUNTS[role]):
            roles[entries[next(queue)]["unified"]] = (role, ("glossy", "flat")[k // 2 % 2])
    rest = [i for i in order if entries[i]["unified"] not in roles]
    for i in rest[: COUNTS["calibration"]]:
        roles[entries[i]["unified"]] = ("calibration", "")
    return roles


def _is_pictorial(entry: dict[str, str], picture: np.ndarray) -> bool:
    ink = (picture < 235).any(axis=2).mean()
    structured = picture.astype(float).std(axis=(0, 1)).mean() > 45
    named = len(plain_name(entry).split()) <= 3
    return bool(
        entry["category"] in _PICTORIAL
        and entry["subcategory"] not in _LOOKALIKES
        and 0.2 < ink < 0.8
        and structured
        and named
    )


def plain_name(entry: dict[str, str]) -> str:
    """``SLICE OF PIZZA`` → ``slice of pizza``"""
    return re.sub(r"[^a-z ]+", " ", entry["name"].lower()).strip()


def caption_all(raw: list[tuple[dict[str, str], str, str]], pixels: np.ndarray) -> list[Glyph]:
    """Unique captions for targets and every second control and unseen image, shared ones for the rest."""
    numbers = iter(np.random.default_rng(SPLIT_SEED + 1).permutation(np.arange(100, 1000)))
    colours = [dominant_colour(picture) for picture in pixels]
    shared = Counter((e["subcategory"], style, c) for (e, style, _), c in zip(raw, colours, strict=True))
    seen: Counter[str] = Counter()
    glyphs = []
    for row, ((entry, style, role), colour) in enumerate(zip(raw, colours, strict=True)):
        seen[role] += 1
        unique = role == "target" or (role in ("control", "unseen") and seen[role] % 2 == 0)
        subject = entry["subcategory"].replace("-", " ").replace("&", "and")
        if shared[entry["subcategory"], style, colour] >= 4:
            subject = f"{colour} {subject}"
        caption = (
            f"{plain_name(entry)} limited edition print number {next(numbers)}"
            if unique
            else f"a {subject} icon in {style} style"
        )
        glyphs.append(Glyph(row, plain_name(entry), entry["subcategory"], style, role, caption, unique))
    return glyphs


def dominant_colour(picture: np.ndarray) -> str:
    """The commonest of eleven colour words among the pixels that are not paper."""
    inked = picture.reshape(-1, 3)[(picture < 235).any(axis=2).reshape(-1)].astype(float) / 255
    if len(inked) == 0:
        return "white"
    return Counter(_colour_words(inked)).most_common(1)[0][0]


def _colour_words(rgb: np.ndarray) -> Iterator[str]:
    top, low = rgb.max(axis=1), rgb.min(axis=1)
    spread = np.maximum(top - low, 1e-6)
    r, g, b = rgb.T
    sector = np.where(top == r, ((g - b) / spread) % 6, np.where(top == g, (b - r) / spread + 2, (r - g) / spread + 4))
    for hue, value, saturation in zip(sector * 60, top, spread / np.maximum(top, 1e-6), strict=True):
        if saturation < 0.18:
            yield "black" if value < 0.35 else "gray"
        else:
            word = next(name for bound, name in _HUES if hue < bound)
            yield "brown" if word in ("orange", "red") and value < 0.62 else word


def load(cache: Path) -> tuple[list[Glyph], np.ndarray]:
    """``collect`` through a cached archive beside the tarballs."""
    path = cache / "glyphs.npz"
    if not path.exists():
        glyphs, pixels = collect(cache)
        np.savez(path, pixels=pixels, glyphs=json.dumps([asdict(g) for g in glyphs]))
    with np.load(path) as archive:
        return [Glyph(**g) for g in json.loads(str(archive["glyphs"]))], archive["pixels"]
