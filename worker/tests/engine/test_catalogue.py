"""Every method, the same promises."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from palimpsest.contract import methods
from worker.cards import method_cards
from worker.engine import audit, catalogue
from worker.engine.items import Item
from worker.engine.model import DiffusionModel
from worker.engine.setting import Setting

ROOT = Path(__file__).parents[3]
ENGINE = ROOT / "worker" / "engine"
FOLDERS = {
    "mitigations": methods.MITIGATIONS,
    "probes": methods.PROBES,
    "scorers": methods.SCORERS,
    "detectors": methods.DETECTORS,
}
EVERY = [(folder, kind) for folder, table in FOLDERS.items() for kind in table]
NOBODYS = {"none", "external", "prompt", "paraphrase"}
"""Leaving a model alone and typing its caption, or another wording, come from no paper."""

SMALL: dict[str, dict[str, Any]] = {
    "nemo": {"seeds": 2, "similarity": 1e-6},
    "wanda": {"timesteps": 1, "sparsity": 0.1},
    "adversarial_finetuning": {
        "epochs": 1,
        "triggers_per_step": 3,
        "prompts_per_step": 1,
        "regular_per_step": 1,
        "regular_images": 1,
        "surrogates": 1,
        "search_steps": 1,
        "search_batch_size": 1,
    },
    "esd": {"steps": 1, "sampling_steps": 2},
    "concept_ablation": {"steps": 1, "batch_size": 1, "anchors": 1},
    "siss": {"steps": 1, "batch_size": 1, "stand_ins": 1},
    "adversarial_embedding": {"steps": 1, "batch_size": 1},
    "adversarial_tokens": {"steps": 1, "batch_size": 1, "tokens": 2},
    "paraphrase": {"rounds": 1, "queries": 2},
    "prompt_adjustment": {"target": 0.2, "iterations": 1},
}


def test_the_contract_knows_which_mitigations_change_weights() -> None:
    """Of a joint one of these a gateway gives out a checkpoint: all but those at the input and those of nothing."""
    others = {*catalogue.CONDITIONINGS, "none", "external"}
    assert set(methods.MITIGATIONS) - methods.OF_WEIGHTS == others
    assert set(catalogue.MITIGATIONS) >= methods.OF_WEIGHTS


def small(kind: str, table: dict[str, type[methods.Params]]) -> methods.Params:
    """The method at little cost."""
    return table[kind](**SMALL.get(kind, {}))


def test_catalogue_and_contract_list_the_same_methods() -> None:
    """What can be asked for can be run, and the other way round."""
    assert set(catalogue.MITIGATIONS) == set(methods.MITIGATIONS)
    assert set(catalogue.PROBES) == set(methods.PROBES)
    assert set(catalogue.ANALYSES) == set(methods.ANALYSES)
    assert set(catalogue.DETECTORS) == set(methods.DETECTORS)


@pytest.mark.parametrize(
    ("kind", "function"), [*catalogue.MITIGATIONS.items(), *catalogue.PROBES.items(), *catalogue.DETECTORS.items()]
)
def test_one_method_is_one_file(kind: str, function: Callable[..., Any]) -> None:
    """Named after its kind."""
    assert function.__module__.rsplit(".", 1)[1] == kind


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_belongs_to_a_method(folder: str) -> None:
    """But for the second judge, which is always heard and never chosen."""
    files = {path.stem for path in (ENGINE / folder).glob("[a-z]*.py")}
    assert files - {"tiled_l2"} == set(FOLDERS[folder])


@pytest.mark.parametrize(("folder", "kind"), EVERY)
def test_a_method_cites_its_paper(folder: str, kind: str) -> None:
    """On its card and at the head of its file; what is nobody's invention says so by citing nothing."""
    [card] = [card for card in method_cards() if card.kind == kind]
    module = importlib.import_module(f"worker.engine.{folder}.{kind}")
    assert card.title
    assert bool(card.citation) is (kind not in NOBODYS)
    if card.citation:
        number = card.citation.rsplit("arXiv", 1)[1].strip(" ().:")
        assert number in (module.__doc__ or "")


@pytest.mark.parametrize(("folder", "kind"), EVERY)
def test_a_method_has_a_page(folder: str, kind: str) -> None:
    """docs/methods/<kind>.md, as its card says."""
    [card] = [card for card in method_cards() if card.kind == kind]
    assert card.page == f"docs/methods/{kind}.md"
    assert (ROOT / card.page).is_file()


@pytest.mark.parametrize("kind", methods.ANALYSES)
def test_an_analysis_has_a_page(kind: str) -> None:
    """docs/<kind>.md, and the file of the function that runs it is in the folder of its name."""
    assert (ROOT / "docs" / f"{kind}.md").is_file()
    assert [card.page for card in method_cards() if card.kind == kind] in ([], [f"docs/{kind}.md"])
    assert catalogue.ANALYSES[kind].__module__.startswith(f"worker.engine.{kind}.")


@pytest.mark.parametrize("kind", methods.MITIGATIONS)
def test_a_mitigation_leaves_the_model_untouched_and_reports_its_cost(
    setting: Setting, targets: list[Item], kind: str
) -> None:
    """Modules and parameters are the very same afterwards; only leaving the model alone costs nothing."""
    modules = dict(setting.model.unet.named_modules())
    before = {name: weight.clone() for name, weight in setting.model.unet.state_dict().items()}
    _, record = audit.mitigate(setting, targets, small(kind, methods.MITIGATIONS))
    assert dict(setting.model.unet.named_modules()) == modules
    assert all(torch.equal(weight, before[name]) for name, weight in setting.model.unet.state_dict().items())
    assert (record.cost.unet_sample_forwards > 0) is (kind not in ("none", "external"))
    assert record.mitigation == kind


@pytest.mark.parametrize("kind", methods.PROBES)
def test_a_probe_leaves_the_model_untouched_and_reports_its_cost(
    setting: Setting, targets: list[Item], kind: str
) -> None:
    """Modules and parameters are the very same afterwards; gradients are counted where there are any."""
    modules = dict(setting.model.unet.named_modules())
    before = {name: weight.clone() for name, weight in setting.model.unet.state_dict().items()}
    record = audit.measure(setting, targets, [], [small(kind, methods.PROBES)], lambda name, content, media: name)
    assert dict(setting.model.unet.named_modules()) == modules
    assert all(torch.equal(weight, before[name]) for name, weight in setting.model.unet.state_dict().items())
    assert record.cost.unet_sample_forwards > 0
    assert (record.cost.unet_sample_forwards_with_gradient > 0) is kind.startswith("adversarial")


@pytest.mark.parametrize("kind", methods.DETECTORS)
def test_a_detector_leaves_the_model_untouched_and_counts_its_passes(setting: Setting, kind: str) -> None:
    """Modules, their ways and parameters are the very same afterwards; every prompt has a finite score."""
    modules = dict(setting.model.unet.named_modules())
    ways = {path: layer.processor for path, layer in setting.model.cross_attention().items()}
    before = {name: weight.clone() for name, weight in setting.model.unet.state_dict().items()}
    passes = setting.model.work.forwards
    scores = catalogue.DETECTORS[kind](setting, setting.neutral, small(kind, methods.DETECTORS))
    assert dict(setting.model.unet.named_modules()) == modules
    assert {path: layer.processor for path, layer in setting.model.cross_attention().items()} == ways
    assert all(torch.equal(weight, before[name]) for name, weight in setting.model.unet.state_dict().items())
    assert setting.model.work.forwards > passes
    assert scores.shape == (len(setting.neutral),)
    assert bool(scores.isfinite().all())


def test_this_model_can_have_every_method(setting: Setting) -> None:
    """It has value layers and feed-forward layers."""
    assert catalogue.inapplicable(setting.model) == {}


def test_a_model_without_the_layers_is_told_why(setting: Setting) -> None:
    """Stripped of its attention blocks' roles, it can have neither pruning."""

    class Bare(DiffusionModel):
        @property
        def unet(self) -> torch.nn.Module:
            return torch.nn.Sequential()

    bare = Bare(setting.model.pipeline, "", "sd1", setting.model.alpha_bar, (4, 8, 8))
    looking_at_attention = {"attention_entropy", "attention_rescaling", "bright_ending", "esd", "concept_ablation"}
    assert (
        set(catalogue.inapplicable(replace(setting, model=bare).model))
        == {"nemo", "wanda", "locality"} | looking_at_attention
    )


def test_the_engine_loads_no_queue_no_sql_no_http_and_no_environment() -> None:
    """All of it imported in a fresh interpreter."""
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted(ENGINE.rglob("[a-z]*.py"))]
    program = f"import {', '.join(modules)}, sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    ran = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT, timeout=300
    )
    loaded = set(ran.stdout.split())
    assert "torch" in loaded
    assert not loaded & {
        "celery",
        "fastapi",
        "httpx",
        "ledger",
        "pydantic_settings",
        "redis",
        "sqlalchemy",
        "structlog",
    }
