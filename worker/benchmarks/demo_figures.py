"""Every claim about the bundled model, measured: ``make demo-figures``.

1. *before*: prompt and 50-step search from Gaussian starts, on all targets, controls and unseen images.
2. *settings*: every method at every setting of its grid, by prompt, on the even targets, with the selection seed. The
   setting is chosen by a rule fixed beforehand: of those within the drift bound, the one whose prompt replicates least;
   among equals the one that switches off least.
3. *methods*: the chosen setting, and the published default, on the odd targets, with the evaluation seed, beside
   controls at the same budget.

Raw rows go to docs/results/raw/bundled-model.jsonl; docs/results/bundled-model.png is drawn from the same run.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from palimpsest.contract.methods import AdversarialEmbeddingParams, NemoParams, Params, PromptParams, WandaParams
from worker.benchmarks import bundled, standing
from worker.benchmarks.running import use_cores
from worker.demo.recipe.denoiser import ALIKE, SIGNS
from worker.engine import audit
from worker.engine.conditioning import Conditioning
from worker.engine.edits import Edit
from worker.engine.images import decode, png
from worker.engine.items import Item
from worker.engine.records import ItemRecord, MitigationRecord, ProbeRecord
from worker.engine.seeds import noise
from worker.engine.setting import Setting

OUT = Path("docs/results")
RAW = OUT / "raw" / "bundled-model.jsonl"
SELECTION_SEED, EVALUATION_SEED = 101, 202
BATCH = 32
PROBES: list[Params] = [PromptParams(), AdversarialEmbeddingParams(id="search", starts=["gaussian"], steps=50)]
GRID: list[Params] = [
    NemoParams(id="nemo"),
    NemoParams(id="nemo-theta_min-0.25", theta_min=0.25),
    *(NemoParams(id=f"nemo-unrefined-theta_min-{t}", theta_min=t, refine=False) for t in (1.0, 1.5, 1.8, 2.0, 2.5)),
    *(WandaParams(id=f"wanda-{s}", sparsity=s) for s in (0.1, 0.2, 0.4)),
]
DEFAULTS = ["nemo"]
PEOPLE_AND_SIGNS = tuple(kind.strip("-").replace("-", " ") for kind in ALIKE + SIGNS)
"""How the kinds of which there are many alike begin, in a caption's words; the others are things of many shapes."""


WHOLE = {"targets": 32, "controls": 160, "unseen": 160}
"""Items of table 1 by set."""


def keep_nothing(*_: object) -> str:
    """Benchmarks keep rows, not blobs."""
    return ""


def measured(
    setting: Setting,
    targets: list[Item],
    controls: list[Item],
    name: str | None,
    edit: Edit | Conditioning | None,
    probes: list[Params],
) -> Iterator[ItemRecord]:
    """All items in batches of equal make-up."""
    n = max(1, -(-(len(targets) + len(controls)) // BATCH))
    if targets:
        n = min(n, len(targets))
    for i in range(n):
        mine = targets[len(targets) * i // n : len(targets) * (i + 1) // n]
        beside = controls[len(controls) * i // n : len(controls) * (i + 1) // n]
        part = edit
        if isinstance(edit, Edit) and not edit.joint:
            part = Edit(edit.what, {t.id: edit.groups[t.id] for t in mine}, edit.size)
        record: ProbeRecord = audit.measure(setting, mine, beside, probes, keep_nothing, name, part)
        yield from record.items


def rows_of(table: str, method: str, item: ItemRecord, **more: Any) -> Iterator[dict[str, Any]]:
    """One raw row per item and probe."""
    for probe, answer in item.probes.items():
        if answer is not None:
            yield {
                "table": table,
                "method": method,
                "item": item.item_id,
                "role": item.role,
                "probe": probe,
                "replicates": answer.replicates,
                "hits": answer.hits,
                "mean": answer.mean_score,
                "max": answer.max_score,
                "second_hits": answer.second_judge.hits,
                "judges_disagree": answer.second_judge.disagrees,
                "first_step": answer.first_step,
                **more,
            }


class Log:
    """Raw rows, written as they come."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.kept = kept(path)
        self.file = path.open("w")
        self.started = time.time()

    def add(self, rows: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> None:
        """Append and flush."""
        for row in rows:
            self.file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self.file.flush()

    def say(self, sentence: str) -> None:
        """Progress, to whoever waits."""
        sys.stderr.write(f"[{time.time() - self.started:6.0f} s] {sentence}\n")


def kept(path: Path) -> list[dict[str, Any]]:
    """Table 1 of an earlier run on the very same model and judge, which a run that was cut need not measure again."""
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    now, done = meta(), {(row.get("set"), row.get("item")) for row in rows if row["table"] == "before"}
    same = bool(rows) and all(rows[0][name] == now[name] for name in ("model", "descriptor", "threshold", "effort"))
    whole = {name for name, _ in done if len([n for n, _ in done if n == name]) >= WHOLE[name]}
    if not (same and whole == set(WHOLE)):
        return []
    return [{"table": "kept", "commit": rows[0]["commit"]}, *(row for row in rows if row["table"] == "before")]


def meta() -> dict[str, Any]:
    """What these numbers stand on."""
    setting = bundled.setting(EVALUATION_SEED)
    return standing.meta(
        "make demo-figures",
        setting,
        effort={"images": setting.effort.images, "hits": setting.effort.hits, "looks": list(setting.effort.looks)},
        seeds={"selection": SELECTION_SEED, "evaluation": EVALUATION_SEED},
        drift_bound=audit.DRIFT_BOUND,
    )


def before(log: Log) -> None:
    """Table 1: the unmitigated model."""
    if log.kept:
        log.add(log.kept)
        log.say("before: kept")
        return
    setting = bundled.setting(EVALUATION_SEED)
    for name in ("targets", "controls", "unseen"):
        listed = bundled.items(name)
        unique = {item.id: "limited edition" in (item.prompt or "") for item in listed}
        for start in range(0, len(listed), BATCH):
            part = listed[start : start + BATCH]
            targets, others = (part, []) if name == "targets" else ([], part)
            for item in measured(setting, targets, others, None, None, PROBES):
                log.add(rows_of("before", "none", item, set=name, unique=unique[item.item_id]))
            log.say(f"before: {name} {start + len(part)}/{len(listed)}")


def try_out(
    log: Log,
    table: str,
    setting: Setting,
    targets: list[Item],
    controls: list[Item],
    params: Params,
    probes: list[Params],
) -> tuple[MitigationRecord, list[ItemRecord]]:
    """One method at one setting."""
    mitigated, record = audit.mitigate(setting, targets, params)
    found = list(measured(setting, targets, controls, params.name, mitigated.edit, probes))
    for item in found:
        log.add(rows_of(table, params.name, item))
    drifts = [value for row in record.drift.values() for value in row]
    summary: dict[str, Any] = {
        "table": f"{table}-summary",
        "method": params.name,
        "parameters": params.model_dump(mode="json"),
        "what": record.what,
        "off": [record.off[group] for group in record.off],
        "size": record.size,
        "drift": sum(drifts) / len(drifts),
        "drift_n": len(drifts),
        "prompt": share(found, "prompt"),
        "search": share(found, "search") if len(probes) > 1 else None,
        "seconds": record.cost.seconds,
        "forwards": record.cost.unet_sample_forwards,
    }
    log.add([summary])
    told = ", ".join(
        f"{name} {summary[name]:.2f}" for name in ("drift", "prompt", "search") if summary[name] is not None
    )
    log.say(f"{table}: {params.name}: {told}, off {summary['off'][:4]}")
    return record, found


def share(found: list[ItemRecord], probe: str) -> float:
    """Share of targets that replicate."""
    answers = [item.probes.get(probe) for item in found if item.role == "target"]
    return sum(answer is not None and answer.replicates for answer in answers) / len(answers)


def select(log: Log) -> list[Params]:
    """Table 2: the grid on the even targets; returns the chosen setting of each method and scope."""
    setting = bundled.setting(SELECTION_SEED)
    targets = bundled.items("targets")[::2]
    tried: dict[tuple[str, str], list[tuple[tuple[float, float], Params]]] = {}
    for params in GRID:
        record, found = try_out(log, "settings", setting, targets, [], params, PROBES[:1])
        drifts = [value for row in record.drift.values() for value in row]
        off = sum(record.off.values()) / len(record.off) / record.size
        key = (params.kind, params.scope)  # type: ignore[attr-defined]
        within = sum(drifts) / len(drifts) <= audit.DRIFT_BOUND
        rank = (share(found, "prompt"), off) if within else (2.0, off)
        tried.setdefault(key, []).append((rank, params))
    return [min(options, key=lambda option: option[0])[1] for options in tried.values()]


def methods(log: Log, chosen: list[Params]) -> None:
    """Table 3: the chosen settings and the published defaults on the odd targets."""
    setting = bundled.setting(EVALUATION_SEED)
    targets, controls = bundled.items("targets")[1::2], bundled.items("controls")[1::5]
    names = {params.name for params in chosen} | set(DEFAULTS)
    for params in [params for params in GRID if params.name in names]:
        log.add([{"table": "chosen", "method": params.name, "chosen": params in chosen}])
        try_out(log, "methods", setting, targets, controls, params, PROBES)


def picture(log: Log) -> None:
    """Target, unmitigated, mitigated, recovered: the first odd targets under the method that conceals most of them."""
    rows = [json.loads(line) for line in RAW.read_text().splitlines()]
    summaries = [row for row in rows if row["table"] == "methods-summary"]
    best = max(summaries, key=lambda row: row["search"] - row["prompt"])
    params = next(params for params in GRID if params.name == best["method"])
    setting = bundled.setting(EVALUATION_SEED)
    targets = bundled.items("targets")[1::2][:8]
    mitigated, _ = audit.mitigate(setting, targets, params)
    shown: dict[str | None, dict[str, torch.Tensor]] = {None: {}, params.name: {}}

    def keep(kind: str | None) -> Any:
        def kept(name: str, content: bytes, media_type: str) -> str:
            if media_type == "image/png":
                shown[kind][name] = decode(content)
            return ""

        return kept

    audit.measure(setting, targets, [], PROBES, keep(None))
    audit.measure(setting, targets, [], PROBES, keep(params.name), params.name, mitigated.edit)
    side = setting.model.resolution
    columns = []
    for n, target in enumerate(targets):
        asked, searched = (f"{n}/target/{target.id}/{probe}.png" for probe in ("prompt", "search"))
        cells = [
            target.picture,
            shown[None][asked][:, :, :side],
            shown[params.name][asked][:, :, :side],
            shown[params.name][searched][:, :, :side],
        ]
        columns.append(torch.cat(cells, dim=1))
    grid = torch.cat(columns, dim=2).repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    (OUT / "bundled-model.png").write_bytes(png(grid))
    log.add([{"table": "picture", "method": params.name, "targets": [t.id for t in targets]}])


def ordinary(log: Log) -> None:
    """What ordinary prompts draw: 32 of faces, people and signs, 32 of things, evenly spaced, one each."""
    setting = bundled.setting(EVALUATION_SEED)
    dwelt = [p for p in setting.neutral if any(f" {kind}" in p for kind in PEOPLE_AND_SIGNS)]
    others = [p for p in setting.neutral if p not in dwelt]
    prompts = [listed[len(listed) * n // 32] for listed in (dwelt, others) for n in range(32)]
    y = setting.model.encode_prompts(prompts)
    x_T = noise(setting.model.latent_shape, [("ordinary", n) for n in range(len(prompts))], setting.seed)
    pictures = setting.model.generate(x_T, y, steps=setting.sampler.steps, g=setting.sampler.guidance)
    grid = torch.cat([torch.cat(list(row), dim=2) for row in pictures.split(16)], dim=1)
    (OUT / "bundled-model-ordinary.png").write_bytes(png(grid))
    log.add([{"table": "ordinary", "prompts": prompts}])


def main() -> None:
    """Entry point."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    use_cores()
    log = Log(RAW)
    log.add([meta()])
    before(log)
    methods(log, select(log))
    picture(log)
    ordinary(log)


if __name__ == "__main__":
    main()
