"""Folders that are vetted before anything in them is loaded."""

import json
import pickle
import re
import shutil
from contextlib import suppress
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine.configs import vet as vet_config
from worker.engine.errors import ModelRefused
from worker.engine.model import DiffusionModel
from worker.engine.pickled import is_pickled
from worker.engine.vetting import belongs, vet
from worker.tests.engine import hostile_models
from worker.tests.engine.hostile_models import FOLDERS, HEADERS, UNET, WEIGHTS, pickled

DEMO = Path(__file__).parents[2] / "demo" / "model"
TRACE = Path("/tmp/palimpsest-a-pickle-was-opened")


@pytest.mark.parametrize("wrong", FOLDERS)
def test_a_folder_that_is_wrong_is_refused(wrong: str, tmp_path: Path) -> None:
    """By its code; nothing was unpickled, and no sentence moves a terminal's cursor."""
    spoil, code = FOLDERS[wrong]
    folder = hostile_models.write(tmp_path / "model")
    vet(folder)
    spoil(folder)
    with pytest.raises(ModelRefused) as refused:
        vet(folder)
    assert refused.value.code == code
    assert str(refused.value).isprintable()
    assert not TRACE.exists()


@pytest.mark.parametrize("wrong", HEADERS)
def test_weights_that_are_wrong_make_a_folder_wrong(wrong: str, tmp_path: Path) -> None:
    """Every case of the headers' table, at its place in a folder."""
    folder = hostile_models.write(tmp_path / "model")
    (folder / WEIGHTS).write_bytes(HEADERS[wrong])
    with pytest.raises(ModelRefused) as refused:
        vet(folder)
    assert refused.value.code == "MODEL_WEIGHTS_MALFORMED"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """And so is a file in its place."""
    (tmp_path / "file").write_text("hello")
    for name in ("nothing", "file"):
        with pytest.raises(ModelRefused, match="there is no such folder"):
            vet(tmp_path / name)


def test_models_that_are_good_pass(demo: Path) -> None:
    """The bundled model as it lies here, and the tiny one as diffusers wrote it."""
    vet(DEMO)
    vet(demo / "model")


def test_a_link_within_the_folder_passes(tmp_path: Path) -> None:
    """One copy of equal weights is enough."""
    folder = hostile_models.write(tmp_path / "model")
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).symlink_to("../vae/diffusion_pytorch_model.safetensors")
    vet(folder)


def test_loading_vets_first(demo: Path, tmp_path: Path) -> None:
    """A pickle beside good weights, and configurations that are no network's: refused, each by its code."""
    for name, path, content, code in (
        ("pickle", "unet/extra.bin", pickled(2), "MODEL_PICKLED"),
        ("texts", UNET, {"block_out_channels": "wide", "sample_size": 8}, "MODEL_REFUSED"),
        ("zeros", "text_encoder/config.json", {"hidden_size": 16, "num_attention_heads": 0}, "MODEL_REFUSED"),
        ("betas", "scheduler/scheduler_config.json", {"beta_schedule": 7}, "MODEL_REFUSED"),
        ("tokens", "tokenizer/tokenizer.json", {"model": 7}, "MODEL_REFUSED"),
    ):
        shutil.copytree(demo / "model", tmp_path / name)
        hostile_models.put(tmp_path / name, path, content)
        with pytest.raises(ModelRefused) as refused:
            DiffusionModel.load(tmp_path / name)
        assert refused.value.code == code, name


def test_stable_diffusions_own_layout_loads(demo: Path, tmp_path: Path) -> None:
    """As its first repositories have it: PNDM, a feature extractor of the old name, a safety checker not fetched."""
    folder = tmp_path / "sd"
    shutil.copytree(demo / "model", folder)
    index = {
        **json.loads((folder / "model_index.json").read_text()),
        "feature_extractor": ["transformers", "CLIPFeatureExtractor"],
        "requires_safety_checker": True,
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "scheduler": ["diffusers", "PNDMScheduler"],
    }
    scheduler = {"_class_name": "PNDMScheduler", "beta_schedule": "scaled_linear", "skip_prk_steps": True}
    extractor = {"feature_extractor_type": "CLIPFeatureExtractor", "crop_size": 224, "size": 224}
    for path, content in {
        "model_index.json": index,
        "scheduler/scheduler_config.json": scheduler,
        "feature_extractor/preprocessor_config.json": extractor,
    }.items():
        hostile_models.put(folder, path, content)
    assert DiffusionModel.load(folder).alpha_bar.shape == (1000,)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_pickle_or_not(content: bytes) -> None:
    """Alone and behind every mark: an answer, never an error."""
    for mark in (b"", b"\x80\x02", b"\x80\x04", b"c", b"("):
        assert is_pickled(mark + content) in (True, False)


@given(st.recursive(st.none() | st.integers(0, 2**60) | st.text(max_size=5), st.lists) | st.text())
def test_every_pickle_is_told(held: object) -> None:
    """Whatever it holds, from protocol 2 on, which is what PyTorch has ever written; protocol 0 where it names code."""
    assert all(is_pickled(pickle.dumps(held, protocol)) for protocol in range(2, 6))
    assert is_pickled(pickled(0))


@given(st.binary(max_size=200), st.sampled_from(["model_index.json", UNET, f"{WEIGHTS}.index.json"]))
def test_any_bytes_are_a_configuration_or_refused(content: bytes, path: str) -> None:
    """As they are, and within an object: the tree's own error or none."""
    for said in (content, b'{"unet": ' + content + b"}"):
        with suppress(ModelRefused):
            vet_config(PurePosixPath(path), said)


def test_the_layout_says_what_belongs() -> None:
    """By whole path."""
    good = ["model_index.json", WEIGHTS, "text_encoder/model-00001-of-00002.safetensors", "tokenizer/merges.txt"]
    bad = ["unet/model_index.json", "config.json", "v1-5-pruned.safetensors", "README.md", "../unet/config.json"]
    assert all(belongs(PurePosixPath(path)) for path in good)
    assert not any(belongs(PurePosixPath(path)) for path in bad)


def test_the_page_on_hostile_input_says_how_many_cases_there_are() -> None:
    """Folders and headers, as many as the tables above have."""
    page = (Path(__file__).parents[3] / "docs" / "security.md").read_text()
    assert re.findall(r"<!-- (folders|headers) -->[^|]*\| (\d+) \|", page) == [
        ("folders", str(len(FOLDERS))),
        ("headers", str(len(HEADERS))),
    ]
