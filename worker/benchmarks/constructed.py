"""Two mitigations whose truth is known by construction: ``make constructed``.

* *hidden*: the U-Net is untouched, bit for bit; in the text encoder's table the tokens that only the targets' captions
  have are given the embeddings of other tokens. No neutral prompt is encoded otherwise than before; the targets'
  captions are. Of the bundled model, all of its targets. Every memory is there: ``concealed`` is right.
* *gone*: the training of a planted model (``make planted``) once more, row by row with the same noise, but for its
  canaries, in whose places regular pictures are. No memory is there: whoever finds one is wrong. The two models of a
  pair meet the same images, starts, seeds and budget.

Both are audited as models that were mitigated elsewhere: "before" is measured on the model they come from. A row of
docs/results/raw/constructed.jsonl is one target. A run that was cut goes on where it was (.cache/results/planted).
"""

import argparse
import copy
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from palimpsest.contract.methods import AdversarialEmbeddingParams, Params, PromptParams
from palimpsest.contract.report import Verdict
from worker.benchmarks import bundled, planted, spare_images, standing
from worker.benchmarks.book import Book
from worker.benchmarks.running import use_cores, write
from worker.benchmarks.spare_images import Collection
from worker.canaries import local, plant, workbench
from worker.engine import export
from worker.engine.errors import MethodFailed
from worker.engine.folder import digest_of
from worker.engine.items import Item
from worker.engine.model import DiffusionModel
from worker.engine.records import ProbeRecord
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting

RAW = Path("docs/results/raw/constructed.jsonl")
SEED = 505
CONTROLS = 52
HIDDEN_PROBES: list[Params] = [PromptParams(), AdversarialEmbeddingParams(id="search", starts=["gaussian"], restarts=2)]
"""As many starts as the standard effort has. The gone are searched as by ``make planted``, which measured "before"."""


def own_tokens(model: DiffusionModel, captions: list[str], others: list[str]) -> tuple[list[int], list[int]]:
    """Tokens that only these captions have, and those of the others; the special ones are neither."""
    special = set(model.special_tokens)
    mine, theirs = (set(model.tokenize(texts).flatten().tolist()) - special for texts in (captions, others))
    return sorted(mine - theirs), sorted(theirs)


def hidden(model: DiffusionModel, captions: list[str], neutral: list[str], seed: int) -> DiffusionModel:
    """The same denoiser behind a text encoder for which the captions' own tokens mean others.

    E[v] ← E[u_v] for every such token v, u_v one of the neutral tokens at random.
    """
    own, others = own_tokens(model, captions, neutral)
    if not own or not others:
        raise MethodFailed("these captions have no token of their own that could be replaced")
    drawn = torch.randint(len(others), (len(own),), generator=generator_for(seed, "hidden"))
    pipeline = copy.copy(model.pipeline)
    pipeline.text_encoder = copy.deepcopy(model.pipeline.text_encoder)
    E = pipeline.text_encoder.get_input_embeddings().weight
    with torch.no_grad():
        E[own] = E[torch.tensor(others)[drawn]].clone()
    kept = {f.name: getattr(model, f.name) for f in fields(DiffusionModel)}
    return DiffusionModel(**{**kept, "pipeline": pipeline})


def twin(kept: Book, of: Collection, m: int) -> DiffusionModel:
    """Planted model m without its canaries, made now or by an earlier run."""
    out, setting = planted.model_folder(kept, m).with_name(f"without-{m}"), bundled.setting(planted.SEED)
    if kept.rows(f"without-{m}") is None:
        planting = replace(planted.PLANTING, seed=planted.seed_of(m))
        who = spare_images.cast(of, m, setting.descriptor, kept.folder / "pictures")
        on = replace(setting, checkpoint=workbench.checkpoint(out, planting.steps))
        regular = spare_images.regular(of, setting.model, planting.seed)
        made = plant.plant(on, who.planted, regular, planting, leave_out=True)
        export.checkpoint(setting.model, made.edit, out / "model")
        (out / workbench.CHECKPOINT).unlink(missing_ok=True)
        kept.keep([{"digest": digest_of(out / "model"), "seen": made.seen}], f"without-{m}")
    return DiffusionModel.load(out / "model")


def hidden_rows(kept: Book) -> Iterator[dict[str, Any]]:
    """The bundled targets behind a text encoder that has lost their captions."""
    setting, targets = bundled.setting(SEED), bundled.items("targets")
    controls = bundled.items("unseen")[:: len(bundled.items("unseen")) // CONTROLS][:CONTROLS]
    captions, out = [t.prompt or "" for t in targets], kept.folder / kept.identity / "hidden"
    own, _ = own_tokens(setting.model, captions, setting.neutral)
    export.whole(hidden(setting.model, captions, setting.neutral, SEED), out)
    mitigated = replace(setting, model=DiffusionModel.load(out))
    before = planted.records(kept, ["hidden-before"], setting, targets, controls, HIDDEN_PROBES)
    after = planted.records(kept, ["hidden-after"], mitigated, targets, controls, HIDDEN_PROBES, "hidden")
    drift, verdicts = judged(mitigated, setting.model, targets, controls, HIDDEN_PROBES, [*before, *after], "hidden")
    said = {"tokens": len(own), "digest": mitigated.model.digest, "baseline": setting.model.digest}
    yield {"table": "model", "what": "hidden", "model": 0, **said, "drift": drift}
    yield from rows_of("hidden", 0, verdicts, [*before, *after], {})


def gone_rows(kept: Book, of: Collection, m: int) -> Iterator[dict[str, Any]]:
    """The canaries of planted model m, on its twin that never saw them."""
    setting, who, known = planted.planted(kept, of, m)
    _, whole = planted.judged(kept, setting, m)
    ids = {specimen.id for specimen in who.planted}
    targets = [item for item in planted.items_of(kept, m, "suspects", "target") if item.id in ids]
    controls = planted.items_of(kept, m, "controls", "control")
    before = [only(record, ids) for record in whole]
    without = replace(setting, model=twin(kept, of, m))
    after = planted.records(kept, [f"without-{m}-after"], without, targets, controls, planted.PROBES, "gone")
    drift, verdicts = judged(without, setting.model, targets, controls, planted.PROBES, [*before, *after], "gone")
    digests = {"digest": without.model.digest, "baseline": setting.model.digest}
    yield {"table": "model", "what": "gone", "model": m, **digests, "drift": drift}
    yield from rows_of("gone", m, verdicts, [*before, *after], known.copies)


def only(record: ProbeRecord, targets: set[str]) -> ProbeRecord:
    """The same batch with these targets and all of its controls."""
    items = [item for item in record.items if item.role == "control" or item.item_id in targets]
    return record.model_copy(update={"items": items})


def judged(
    mitigated: Setting,
    baseline: DiffusionModel,
    targets: list[Item],
    controls: list[Item],
    probes: list[Params],
    probed: list[ProbeRecord],
    name: str,
) -> tuple[float, list[Verdict]]:
    """How far the models draw apart, and a verdict a target."""
    record = local.elsewhere(mitigated, baseline, name)
    values = [value for row in record.drift.values() for value in row]
    names = [target.id for target in targets], [control.id for control in controls]
    return sum(values) / len(values), local.judged(probed, record, names[0], names[1], probes)


def rows_of(
    what: str, m: int, verdicts: list[Verdict], probed: list[ProbeRecord], copies: dict[str, int]
) -> Iterator[dict[str, Any]]:
    """A row a target and a row a control, with what both probes showed on both models."""
    shown = {
        (record.mitigation is None, item.role, item.item_id): planted.answers(item)
        for record in probed
        for item in record.items
    }
    words = {verdict.target_id: verdict for verdict in verdicts}
    for is_before, role, name in shown:
        if not is_before:
            continue
        row: dict[str, Any] = {"table": role, "what": what, "model": m, "item": name}
        if role == "target":
            verdict = words[name]
            row |= {"copies": copies.get(name), "verdict": verdict.verdict, "reasons": verdict.reasons}
        yield {**row, "before": shown[True, role, name], "after": shown[False, role, name]}


def meta(pairs: int) -> dict[str, Any]:
    """What these numbers stand on."""
    setting = bundled.setting(SEED)
    effort = {"images": setting.effort.images, "hits": setting.effort.hits, "looks": list(setting.effort.looks)}
    seeds = {"hidden": SEED, "gone": planted.SEED}
    return standing.meta("make constructed", setting, effort=effort, seeds=seeds, pairs=pairs)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cache", type=Path, default=Path(".cache/demo"), help="the recipe's, for its glyphs")
    parser.add_argument("--pairs", type=int, default=spare_images.MODELS, choices=range(1, spare_images.MODELS + 1))
    asked = parser.parse_args()
    use_cores()
    kept = planted.book()
    of = spare_images.collection(asked.cache)
    gone = [row for m in range(asked.pairs) for row in gone_rows(kept, of, m)]
    write(RAW, [meta(asked.pairs), *hidden_rows(kept), *gone])


if __name__ == "__main__":
    main()
