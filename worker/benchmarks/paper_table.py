"""The paper's table on the bundled model: ``make paper-table`` (Kowalczuk et al., Finding DoRI, arXiv 2507.16880).

1. *settings*: every method at every setting of its grid on the even targets, by prompt, with the selection seed; the
   setting is chosen by a rule fixed beforehand: of those within the drift bound, the one whose prompt replicates least,
   among equals the one that drifts least. A grid of one setting is taken as it is.
2. *methods*: the chosen settings on the odd targets with the evaluation seed, by prompt and by both searches, beside
   controls at the same budget; with the measures of utility.
3. *attacks*: the joint methods under which at most 0.1 of the targets came back, under what they were not trained on:
   another optimizer, other starts, four times the steps, a search for tokens, and both searches after a hundred steps
   of benign fine-tuning. Only what survives these is removed.

A row of docs/results/raw/paper-table.jsonl is one item under one probe. A run that was cut goes on where it was:
trained weights and finished rows are kept in .cache/results/paper-table.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from palimpsest.contract.methods import (
    AdversarialEmbeddingParams,
    AdversarialFinetuningParams,
    AdversarialTokensParams,
    ConceptAblationParams,
    EsdParams,
    NemoParams,
    Params,
    PromptParams,
    SissParams,
    UtilityParams,
    WandaParams,
)
from worker.benchmarks import benign, bundled, demo_figures, standing
from worker.benchmarks.book import Book
from worker.benchmarks.running import say, use_cores, write
from worker.engine import audit
from worker.engine.edits import Edit, loads
from worker.engine.items import Item
from worker.engine.records import MitigationRecord
from worker.engine.setting import Setting
from worker.engine.utility import measure as utility

RAW = Path("docs/results/raw/paper-table.jsonl")
KEPT = Path(".cache/results/paper-table")
SELECTION_SEED, EVALUATION_SEED = 101, 202
PROMPT = PromptParams()
GAUSSIAN = AdversarialEmbeddingParams(id="search", starts=["gaussian"])
FROM_PROMPT = AdversarialEmbeddingParams(id="search-from-prompt", starts=["prompt"])
PROBES: list[Params] = [PROMPT, GAUSSIAN, FROM_PROMPT]
REMOVED = 0.1

GRIDS: dict[str, list[Params]] = {
    "NeMo, per target": [NemoParams(), NemoParams(refine=False, theta_min=2.0)],
    "NeMo, joint": [NemoParams(scope="joint")],
    "Wanda 20 %, per target": [WandaParams(sparsity=0.2)],
    "Wanda 40 %, per target": [WandaParams(sparsity=0.4)],
    "Wanda 20 %, joint": [WandaParams(scope="joint", sparsity=0.2)],
    "Wanda 40 %, joint": [WandaParams(scope="joint", sparsity=0.4)],
    "ESD": [
        EsdParams(parameters="esd-all", steps=800, batch_size=4, sampling_steps=20, learning_rate=rate)
        for rate in (5e-5, 2e-4)
    ],
    "Concept Ablation": [ConceptAblationParams(steps=1600, learning_rate=rate) for rate in (3e-5, 1e-4)],
    "SISS": [SissParams(learning_rate=1e-4, timesteps=t) for t in ("last", "uniform")],
    "adversarial fine-tuning": [
        AdversarialFinetuningParams(epochs=215, learning_rate=rate, regular_per_step=14, regular_images=449)
        for rate in (1e-4, 3e-4)
    ],
}
"""Rates and lengths of training are scaled to seven million weights; each grid is what was tried, all of it."""

ATTACKS: dict[str, list[Params]] = {
    "another optimizer": [AdversarialEmbeddingParams(id="search", starts=["gaussian"], optimizer="sign")],
    "other starts": [AdversarialEmbeddingParams(id="search", starts=["prompt", "other_prompt"])],
    "four times the steps": [AdversarialEmbeddingParams(id="search", starts=["gaussian"], steps=200)],
    "tokens": [AdversarialTokensParams(id="search")],
    "after 100 benign steps": [PROMPT, GAUSSIAN, FROM_PROMPT],
}


def mitigated(
    book: Book, setting: Setting, targets: list[Item], name: str, n: int, part: str
) -> tuple[Edit | None, dict[str, Any]]:
    """A method at setting ``n`` of its grid, applied to some targets, or as an earlier run left it."""
    kept, weights = book.rows(part, name, str(n), "made"), book.part(part, name, str(n)).with_suffix(".safetensors")
    if kept is not None:
        return loads(weights.read_bytes()) if weights.exists() else None, kept[0]
    made, record = audit.mitigate(setting, targets, GRIDS[name][n])
    row = told(record)
    if isinstance(made.edit, Edit):
        weights.parent.mkdir(parents=True, exist_ok=True)
        weights.write_bytes(made.edit.dumps())
    book.keep([row], part, name, str(n), "made")
    return (made.edit, row) if isinstance(made.edit, Edit) else (None, row)


def told(record: MitigationRecord) -> dict[str, Any]:
    """What a mitigation did, as a row keeps it."""
    drifts = [value for row in record.drift.values() for value in row]
    return {
        "scope": record.scope,
        "what": record.what,
        "off": list(record.off.values()),
        "size": record.size,
        "drift": sum(drifts) / len(drifts) if drifts else 0.0,
        "drift_n": len(drifts),
        "notes": record.notes,
        "seconds": record.cost.seconds,
    }


def measured(
    setting: Setting, targets: list[Item], controls: list[Item], edit: Edit | None, probes: list[Params], **said: Any
) -> list[dict[str, Any]]:
    """A row an item and probe."""
    found = demo_figures.measured(setting, targets, controls, said["method"], edit, probes)
    table, method = said.pop("table"), said.pop("method")
    return [row for item in found for row in demo_figures.rows_of(table, method, item, **said)]


def share(rows: list[dict[str, Any]], probe: str) -> float:
    """Of the targets, those that replicate under a probe."""
    mine: list[bool] = [row["replicates"] for row in rows if row["role"] == "target" and row["probe"] == probe]
    return sum(mine) / len(mine)


def select(book: Book, name: str) -> tuple[int, list[dict[str, Any]]]:
    """The chosen setting of a method, and the rows of all that were tried."""
    grid = GRIDS[name]
    if len(grid) == 1:
        return 0, []
    setting, targets = bundled.setting(SELECTION_SEED), bundled.items("targets")[::2]
    ranks, rows = [], []
    for n, params in enumerate(grid):
        edit, made = mitigated(book, setting, targets, name, n, "settings")
        tried = book.rows("settings", name, str(n)) or book.keep(
            measured(setting, targets, [], edit, [PROMPT], table="settings", method=name, tried=n),
            *("settings", name, str(n)),
        )
        rows += [*tried, {"table": "tried", "method": name, "tried": n, "parameters": params.model_dump(), **made}]
        prompt = share(tried, "prompt")
        ranks.append((prompt, made["drift"]) if made["drift"] <= audit.DRIFT_BOUND else (2.0, made["drift"]))
        say(f"settings: {name} {n}: prompt {prompt:.2f}, drift {made['drift']:.2f}, {made['seconds']:.0f} s")
    return min(range(len(grid)), key=lambda n: ranks[n]), rows


def original(book: Book) -> list[dict[str, Any]]:
    """The row of the model as it is."""
    setting = bundled.setting(EVALUATION_SEED)
    return book.rows("methods", "original") or book.keep(
        measured(setting, odd("targets"), odd("controls"), None, PROBES, table="methods", method="original"),
        *("methods", "original"),
    )


def odd(name: str) -> list[Item]:
    """The held-out half of the targets; of the controls as many as 32, evenly spaced."""
    return bundled.items("targets")[1::2] if name == "targets" else bundled.items(name)[1::5]


def evaluate(book: Book, name: str, n: int) -> list[dict[str, Any]]:
    """The chosen setting of a method on the held-out half, with its utility."""
    setting, targets = bundled.setting(EVALUATION_SEED), odd("targets")
    edit, made = mitigated(book, setting, targets, name, n, "methods")
    rows = book.rows("methods", name) or book.keep(
        measured(setting, targets, odd("controls"), edit, PROBES, table="methods", method=name), "methods", name
    )
    cost = book.rows("utility", name) or book.keep(
        [utility.measure(setting, edit, UtilityParams()).model_dump(mode="json")], "utility", name
    )
    shares = ", ".join(f"{probe.name} {share(rows, probe.name):.2f}" for probe in PROBES)
    say(f"methods: {name}: {shares}, drift {made['drift']:.2f}, {made['seconds']:.0f} s")
    parameters = GRIDS[name][n].model_dump()
    return [*rows, {"table": "made", "method": name, "parameters": parameters, **made, "utility": cost[0]}]


def attacked(book: Book, name: str, n: int) -> list[dict[str, Any]]:
    """What comes back under attacks that a joint method was not trained on; nothing for one that failed before."""
    setting, targets = bundled.setting(EVALUATION_SEED), odd("targets")
    edit, _ = mitigated(book, setting, targets, name, n, "methods")
    rows = book.rows("methods", name) or []
    if edit is None or not edit.joint or max(share(rows, probe.name) for probe in PROBES) > REMOVED:
        return []
    found = []
    for attack, probes in ATTACKS.items():
        one = book.rows("attacks", name, attack)
        if one is None:
            met = benign.tuned(setting, edit, bundled.items("unseen")) if attack.startswith("after") else edit
            one = measured(setting, targets, odd("controls"), met, probes, table="attacks", method=name, attack=attack)
            book.keep(one, "attacks", name, attack)
        say(f"attacks: {name}, {attack}: " + ", ".join(f"{p.name} {share(one, p.name):.2f}" for p in probes))
        found += one
    return found


def all_rows(book: Book) -> Iterator[dict[str, Any]]:
    """The three tables."""
    yield from original(book)
    chosen: dict[str, int] = {}
    for name in GRIDS:
        chosen[name], tried = select(book, name)
        yield from tried
        yield {"table": "chosen", "method": name, "tried": chosen[name]}
        yield from evaluate(book, name, chosen[name])
    for name, n in chosen.items():
        yield from attacked(book, name, n)


def main() -> None:
    """Entry point."""
    argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0]).parse_args()
    use_cores()
    setting = bundled.setting(EVALUATION_SEED)
    seeds = {"selection": SELECTION_SEED, "evaluation": EVALUATION_SEED}
    effort = {"images": setting.effort.images, "hits": setting.effort.hits}
    meta = standing.meta(
        "make paper-table", setting, effort=effort, seeds=seeds, drift_bound=audit.DRIFT_BOUND, removed=REMOVED
    )
    book = Book(KEPT, f"{setting.model.digest[:16]}-{setting.descriptor.digest[:16]}")
    rows = [meta, *all_rows(book)]
    write(RAW, rows)


if __name__ == "__main__":
    main()
