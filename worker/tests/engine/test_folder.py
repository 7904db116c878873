"""What a folder tells before anything is loaded."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from worker.engine.errors import Cancelled, ModelRefused
from worker.engine.folder import BLOCK_BYTES, bytes_of, digest_of, digest_of_files, family_of, files_of
from worker.engine.model import DiffusionModel


def test_the_digest_is_over_what_makes_the_model(demo: Path, tmp_path: Path) -> None:
    """A changed config changes it, a README does not, and neither does the folder's name."""
    folder = tmp_path / "elsewhere"
    shutil.copytree(demo / "model", folder)
    assert digest_of(folder) == digest_of(demo / "model") == DiffusionModel.load(folder).digest
    (folder / "README.md").write_text("hello")
    assert digest_of(folder) == digest_of(demo / "model")
    config = folder / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace("0.012", "0.013"))
    assert digest_of(folder) != digest_of(demo / "model")


def test_equal_files_under_other_names_are_another_model(tmp_path: Path) -> None:
    """Names count: swapping two files' contents is a change."""
    for name, (a, b) in {"one": ("{}", "[]"), "two": ("[]", "{}")}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.json").write_text(a)
        (tmp_path / name / "b.json").write_text(b)
    assert digest_of(tmp_path / "one") != digest_of(tmp_path / "two")


def test_the_digest_is_that_of_sha256sums_own_lines(tmp_path: Path) -> None:
    """sha256 of {} and of [] are sha256sum's, the digest is that of its two lines, and pictures do not count."""
    for name, content in {"b/b.json": "[]", "a.json": "{}", "a.png": "picture"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    files = files_of(tmp_path)
    assert files == {
        "a.json": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "b/b.json": "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945",
    }
    lines = f"{files['a.json']}  a.json\n{files['b/b.json']}  b/b.json"
    assert digest_of_files(files) == digest_of(tmp_path) == hashlib.sha256(lines.encode()).hexdigest()


def test_reading_is_watched_block_by_block(tmp_path: Path) -> None:
    """A block and one byte more are two looks; a watch that raises ends it."""
    (tmp_path / "weights.safetensors").write_bytes(bytes(BLOCK_BYTES + 1))
    told: list[int] = []
    digest_of(tmp_path, told.append)
    assert told == [0, 0]

    def stop(rows: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        digest_of(tmp_path, stop)


def test_bytes_are_four_a_number(tmp_path: Path) -> None:
    """2×3 and 5 numbers in half precision will take 4 · 11 bytes; nothing else in the folder counts."""
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]},
        "b": {"dtype": "F16", "shape": [5], "data_offsets": [12, 22]},
    }
    content = json.dumps(header).encode()
    for name in ("unet", "safety_checker"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(len(content).to_bytes(8, "little") + content + bytes(22))
    assert bytes_of(tmp_path) == 44


def test_what_is_no_safetensors_file_is_refused(tmp_path: Path) -> None:
    """A header that is no JSON, and one that names no tensors."""
    (tmp_path / "vae").mkdir()
    for content in (b"no header at all", (2).to_bytes(8, "little") + b"[]"):
        (tmp_path / "vae" / "model.safetensors").write_bytes(content)
        with pytest.raises(ModelRefused, match="in vae is not a safetensors file"):
            bytes_of(tmp_path)


def test_a_family_is_told_by_the_pipelines_class(demo: Path, tmp_path: Path) -> None:
    """Stable Diffusion's is sd1, and what is loaded says so too; an unknown pipeline or none is refused."""
    assert family_of(demo / "model") == DiffusionModel.load(demo / "model").family == "sd1"
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    with pytest.raises(ModelRefused, match="it holds a FluxPipeline"):
        family_of(tmp_path)
    (tmp_path / "model_index.json").write_text("[]")
    with pytest.raises(ModelRefused, match="it names no pipeline"):
        family_of(tmp_path)


def test_nothing_that_computes_is_loaded_to_tell() -> None:
    """The worker's parent asks for families, and must stay without torch."""
    program = "import worker.offered, sys; print('torch' in sys.modules, 'diffusers' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert told.stdout.split() == ["False", "False"]
