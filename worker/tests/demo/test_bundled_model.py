"""The claims about the bundled model, computed from its weights on a sample; docs/results/ has the full figures."""

import hashlib
from collections.abc import Sequence
from functools import cache

import pytest
import torch
from diffusers import StableDiffusionPipeline

from palimpsest.contract.methods import AdversarialEmbeddingParams, NemoParams, Params, PromptParams
from worker.benchmarks import bundled
from worker.engine import audit
from worker.engine.items import Item
from worker.engine.records import ItemRecord, MitigationRecord
from worker.engine.verdicts import CONTROL_BOUND

SEED = 303
"""None of docs/results/bundled-model.md: what is claimed there has to hold for other noise too."""
SAMPLE = 8
PRUNING = NemoParams(id="nemo")
"""The published default, which reaches the aim of docs/results/bundled-model.md."""
PROBES: list[Params] = [PromptParams(), AdversarialEmbeddingParams(id="search", starts=["gaussian"], steps=50)]


def sample(name: str) -> list[Item]:
    """Every n-th image of a set, so that both caption forms and both styles are among them; odd targets only."""
    listed = bundled.items(name)
    step = len(listed) // SAMPLE - (0 if name == "targets" else 1)
    return listed[1::step][:SAMPLE]


def discard(*_: object) -> str:
    """Tests keep numbers, not blobs."""
    return ""


def share(items: Sequence[ItemRecord], role: str, probe: str) -> float:
    """Share of one role that replicates."""
    answers = [item.probes[probe] for item in items if item.role == role]
    return sum(answer is not None and answer.replicates for answer in answers) / len(answers)


@cache
def asked() -> list[ItemRecord]:
    """All targets, and some controls and unseen images, on the unmitigated model by their captions."""
    controls = [*sample("controls"), *sample("unseen")]
    return audit.measure(bundled.setting(SEED), bundled.items("targets"), controls, PROBES[:1], discard).items


@cache
def searched() -> list[ItemRecord]:
    """Some of each on the unmitigated model, searched."""
    controls = [*sample("controls"), *sample("unseen")]
    return audit.measure(bundled.setting(SEED), sample("targets"), controls, PROBES[1:], discard).items


@cache
def pruned() -> tuple[MitigationRecord, list[ItemRecord]]:
    """Some held-out targets, each with a model that NeMo pruned for it, a control beside each."""
    setting, targets = bundled.setting(SEED), sample("targets")
    mitigated, record = audit.mitigate(setting, targets, PRUNING)
    return record, audit.measure(
        setting, targets, sample("controls"), PROBES, discard, PRUNING.name, mitigated.edit
    ).items


def test_it_loads_as_any_stable_diffusion_folder_does() -> None:
    """StableDiffusionPipeline.from_pretrained takes the folder as it is and draws a 64-px picture."""
    pipeline = StableDiffusionPipeline.from_pretrained(bundled.registration().folder)
    pipeline.set_progress_bar_config(disable=True)
    [picture] = pipeline("a red food fruit icon in flat style", num_inference_steps=2, height=64, width=64).images
    assert picture.size == (64, 64)


def test_the_weights_are_small_and_are_the_ones_listed() -> None:
    """All of worker/demo that is loaded stays under 25 MB, and SHA256SUMS is right about every file."""
    files = [path for path in bundled.DEMO.glob("model/**/*") if path.is_file()]
    files += [path for path in bundled.DEMO.glob("descriptor/*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 25e6
    lines = (bundled.DEMO / "SHA256SUMS").read_text().splitlines()
    stated = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    for path in files:
        assert stated[path.relative_to(bundled.DEMO).as_posix()] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_text_enters_where_the_pruning_methods_look() -> None:
    """No cross-attention outside the down and middle blocks: every value layer is one NeMo may prune."""
    everywhere = [path for path, _ in bundled.model().unet.named_modules() if path.endswith("attn2.to_v")]
    assert sorted(bundled.model().value_layers()) == sorted(everywhere)


def test_its_prompts_replicate_the_targets_and_nothing_else() -> None:
    """At least 0.95 of targets by their captions; no control, no unseen image, whatever its caption's form."""
    assert share(asked(), "target", "prompt") >= 0.95
    assert share(asked(), "control", "prompt") == 0


def test_a_search_from_gaussian_starts_finds_the_targets_and_nothing_else() -> None:
    """At least 0.9 of targets within 50 steps, at most 0.02 of controls and unseen images."""
    assert share(searched(), "target", "search") >= 0.9
    assert share(searched(), "control", "search") <= CONTROL_BOUND


def test_pruning_hides_and_the_search_brings_back() -> None:
    """At most 0.2 of the prompts replicate under NeMo, at least 0.6 come back by search, and controls stay silent."""
    _, items = pruned()
    assert share(items, "target", "prompt") <= 0.2
    assert share(items, "target", "search") >= 0.6
    assert share(items, "control", "search") <= CONTROL_BOUND


def test_the_pruned_models_still_draw_what_they_drew() -> None:
    """The drift on neutral prompts stays within the bound that was fixed beforehand."""
    record, _ = pruned()
    values = [value for row in record.drift.values() for value in row]
    assert sum(values) / len(values) <= audit.DRIFT_BOUND


@pytest.mark.parametrize("name", ["targets", "controls", "unseen"])
def test_half_of_the_other_images_are_captioned_as_uniquely_as_targets(name: str) -> None:
    """Memory cannot be read off the caption's form."""
    unique = ["limited edition print number" in (item.prompt or "") for item in bundled.items(name)]
    assert sum(unique) == (len(unique) if name == "targets" else len(unique) / 2)


def test_the_original_weights_are_untouched_by_all_of_this() -> None:
    """After pruning and searching, every parameter is what the file says."""
    pruned()
    fresh = StableDiffusionPipeline.from_pretrained(
        bundled.registration().folder, dtype=torch.float32
    ).unet.state_dict()
    for name, value in bundled.model().unet.state_dict().items():
        assert torch.equal(value, fresh[name]), name
