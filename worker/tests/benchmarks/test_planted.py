"""The whole benchmark on a tiny model of two steps, and its page from rows made by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from palimpsest.contract.methods import AdversarialEmbeddingParams, PromptParams
from worker.benchmarks import bundled, constructed, planted, spare_images
from worker.benchmarks.book import Book
from worker.benchmarks.constructed_page import constructed as constructed_page
from worker.benchmarks.planted_page import planted as planted_page
from worker.canaries import truth
from worker.canaries.recipe import Planting
from worker.engine.errors import MethodFailed
from worker.engine.items import Item
from worker.engine.model import DiffusionModel
from worker.engine.setting import Setting
from worker.tests import tiny
from worker.tests.benchmarks.test_spare_images import a_collection

SEARCH = AdversarialEmbeddingParams(id="search", starts=["gaussian"], steps=1, batch_size=1)


@pytest.fixture
def small(setting: Setting, targets: list[Item], controls: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model in the bundled one's place, twelve canaries, four unseen images and two controls."""
    monkeypatch.setattr(bundled, "model", lambda: setting.model)
    monkeypatch.setattr(bundled, "descriptor", lambda: setting.descriptor)
    monkeypatch.setattr(bundled, "setting", lambda seed, _="quick": replace(setting, seed=seed))
    monkeypatch.setattr(bundled, "items", lambda name: targets if name == "targets" else controls)
    monkeypatch.setattr(planted, "PROBES", [PromptParams(), SEARCH])
    monkeypatch.setattr(constructed, "HIDDEN_PROBES", [PromptParams(), SEARCH])
    monkeypatch.setattr(constructed, "CONTROLS", 2)
    monkeypatch.setattr(planted, "PLANTING", Planting(steps=2, batch_size=4, learning_rate=1e-3))
    for name, value in {"EACH": 2, "UNSEEN": 4, "CONTROLS": 2}.items():
        monkeypatch.setattr(spare_images, name, value)


@pytest.fixture
def kept(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Book:
    """An empty book."""
    monkeypatch.setattr(planted, "KEPT", tmp_path / "kept")
    return planted.book()


def test_a_model_is_planted_judged_and_told(kept: Book) -> None:
    """One row a model, one an image with its truth, one a control; the page says both rates of the never planted."""
    rows = [planted.meta(), *planted.rows_of(kept, a_collection(), 0)]
    tables = [row["table"] for row in rows]
    assert [tables.count(name) for name in ("meta", "model", "image", "control")] == [1, 1, 16, 2]
    images = [row for row in rows if row["table"] == "image"]
    assert sorted(row["copies"] for row in images) == sorted([*spare_images.COPIES * 2, 0, 0, 0, 0])
    assert {row["verdict"] for row in images} == {"not_memorized"}
    assert sum(row["seen"] for row in images) <= 8
    page = "\n".join(planted_page(rows))
    assert "not reached (0 of 4)" in page
    assert "| 256 |" in page


def test_a_run_that_was_cut_goes_on(kept: Book, model: DiffusionModel) -> None:
    """The second time neither a step is trained nor a picture drawn, and the rows are the same."""
    first = list(planted.rows_of(kept, a_collection(), 0))
    before = model.work.forwards, model.work.forwards_with_gradient
    assert list(planted.rows_of(kept, a_collection(), 0)) == first
    assert (model.work.forwards, model.work.forwards_with_gradient) == before
    assert not (planted.model_folder(kept, 0) / "training.safetensors").exists()


def test_another_planting_is_kept_apart(kept: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more step is another book."""
    monkeypatch.setattr(planted, "PLANTING", replace(planted.PLANTING, steps=3))
    assert planted.book().identity != kept.identity


def test_hidden_leaves_the_denoiser_and_every_neutral_prompt_alone(model: DiffusionModel) -> None:
    """Only the targets' captions are encoded otherwise; the model it was made from is as it was."""
    captions = list(tiny.TARGETS.values())
    before = model.encode_prompts(captions)
    other = constructed.hidden(model, captions, tiny.NEUTRAL, seed=1)
    assert other.unet is model.unet
    assert bool((other.encode_prompts([*tiny.NEUTRAL, ""]) == model.encode_prompts([*tiny.NEUTRAL, ""])).all())
    moved = (other.encode_prompts(captions) - before).abs().amax(dim=(1, 2))
    assert bool((moved > 0).all())
    assert bool((model.encode_prompts(captions) == before).all())


def test_captions_without_tokens_of_their_own_cannot_be_hidden(model: DiffusionModel) -> None:
    """There is nothing to replace that neutral prompts do not need."""
    with pytest.raises(MethodFailed, match="no token"):
        constructed.hidden(model, tiny.NEUTRAL[:1], tiny.NEUTRAL, seed=1)


def test_both_constructions_are_audited_beside_what_they_come_from(kept: Book) -> None:
    """Three hidden targets with two controls, twelve canaries on the twin with two; every row has before and after."""
    hidden = list(constructed.hidden_rows(kept))
    gone = list(constructed.gone_rows(kept, a_collection(), 0))
    assert [row["table"] for row in hidden] == ["model", *["target"] * 3, *["control"] * 2]
    assert hidden[0]["drift"] == pytest.approx(0.0, abs=1e-5)
    assert [row["table"] for row in gone].count("target") == 12
    assert [row["table"] for row in gone].count("control") == 2
    assert all(set(row["before"]) == set(row["after"]) == {"prompt", "search"} for row in [*hidden[1:], *gone[1:]])
    assert gone[0]["digest"] != gone[0]["baseline"] == truth.read(planted.model_folder(kept, 0)).model
    assert kept.rows("without-0")[0]["seen"] == dict.fromkeys([r["item"] for r in gone if r["table"] == "target"], 0)  # type: ignore[index]
    page = constructed_page([constructed.meta(1), *hidden, *gone])
    assert any("0/3 = 0.00" in line for line in page)
    assert list(constructed.gone_rows(kept, a_collection(), 0)) == gone


def a_row(what: str, item: str, word: str, *, before: str = "xx", after: str = "..", **more: Any) -> dict[str, Any]:
    """A target; two marks for prompt and search, ``x`` replicates with similarity 1."""

    def said(marks: str) -> dict[str, dict[str, Any]]:
        found = zip(("prompt", "search"), marks, strict=True)
        return {probe: {"replicates": mark == "x", "mean": float(mark == "x")} for probe, mark in found}

    told = {"before": said(before), "after": said(after)}
    return {"table": "target", "what": what, "model": 0, "item": item, "verdict": word, "reasons": [], **told, **more}


def a_page(rows: list[dict[str, Any]]) -> str:
    """The constructed page of rows and the two models they are of."""
    effort, sampler = {"images": 4, "hits": 2}, {"steps": 20, "guidance": 3.0}
    meta = {
        "table": "meta", "command": "make constructed", "commit": "0" * 40, "date": "today", "machine": "one",
        "versions": {}, "model": "m" * 64, "descriptor": "d" * 64, "threshold": 0.8, "effort": effort,
        "sampler": sampler, "seeds": {"hidden": 1, "gone": 2},
    }  # fmt: skip
    models = [{"table": "model", "what": what, "model": 0, "tokens": 7, "drift": 0.1} for what in ("hidden", "gone")]
    controls = [{**a_row(what, "c", "", before="..", after=".."), "table": "control"} for what in ("hidden", "gone")]
    return "\n".join(constructed_page([meta, *models, *rows, *controls]))


@pytest.mark.parametrize(("n", "said"), [(19, "at least 95%: reached"), (18, "at least 95%: not reached")])
def test_the_aim_of_the_hidden_is_counted(n: int, said: str) -> None:
    """19 of 20 are 95 %, 18 are not; whoever is not concealed is named with the verdict."""
    rows = [a_row("hidden", f"t{i}", "concealed" if i < n else "inconclusive", after=".x") for i in range(20)]
    page = a_page([*rows, a_row("gone", "g", "not_recovered", copies=4)])
    assert said in page
    assert "* `t19`: inconclusive" in page


@pytest.mark.parametrize(("n", "said"), [(1, "at most 2%: reached"), (2, "at most 2%: not reached")])
def test_the_aim_of_the_gone_is_counted(n: int, said: str) -> None:
    """
    1 of 50 is 2 %, 2 are not

    Of 64 copies the search brought all back before and n after; similarity falls by 1 − n/50
    """
    rows = [
        a_row("gone", f"t{i}", "concealed" if i < n else "not_recovered", after=".x" if i < n else "..", copies=64)
        for i in range(50)
    ]
    page = a_page([*rows, a_row("hidden", "h", "concealed", after=".x")])
    assert said in page
    assert f"| 64 | 50/50 | {n}/50 | +{1 - n / 50:.2f} | {50 - n}/50 |" in page
