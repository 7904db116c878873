"""Pages from raw rows: ``python -m worker.benchmarks.render`` writes them, ``--check`` fails when one is stale.

Every docs/results/raw/<name>.jsonl begins with a ``meta`` row that says which command made it, at which commit.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from worker.benchmarks import (
    consensus_page,
    constructed_page,
    detection_page,
    locality_page,
    paper_table_page,
    planted_page,
    regions_page,
)
from worker.benchmarks.standing import made
from worker.benchmarks.tables import table
from worker.engine.rates import rate

RESULTS = Path("docs/results")
Row = dict[str, Any]


def interval(rows: list[Row], hit: Callable[[Row], bool] = lambda row: bool(row["replicates"])) -> str:
    """k/n and the share with its interval."""
    k, n = sum(map(hit, rows)), len(rows)
    if n == 0:
        return "–"
    r = rate(k, n)
    return f"{k}/{n} = {k / n:.2f} [{r.low:.2f}, {r.high:.2f}]"


def mean(values: list[float]) -> str:
    """Two digits."""
    return f"{sum(values) / len(values):.2f}" if values else "–"


def bundled_model(rows: list[Row]) -> list[str]:
    """docs/results/bundled-model.md"""
    return [
        "# The bundled model: what it remembers, and what pruning does about it",
        "",
        *stands_on(rows),
        "",
        "## Before any mitigation",
        "",
        "Shares that replicate, with 95 % Clopper-Pearson intervals; n counts images, never drawings. The search is 50",
        "Adam steps from one Gaussian start an image, with looks; similarity is the mean over an image's drawings.",
        "",
        *before(rows),
        "",
        "How fast the search brings targets back (first confirmed look):",
        "",
        *curve(rows),
        "",
        "## Settings tried, on the even targets with the selection seed",
        "",
        "Chosen by a rule written down before: of the settings within the drift bound, the one whose prompt replicates",
        "least, among equals the one that switches off least.",
        "",
        *settings(rows),
        "",
        "## The methods, on the odd targets with the evaluation seed",
        "",
        *methods(rows),
        "",
        *aims(rows),
        "",
        *picture(rows),
        *ordinary(rows),
    ]


def stands_on(rows: list[Row]) -> list[str]:
    """The meta row as sentences."""
    meta = rows[0]
    return [
        made(meta),
        f"Model `{meta['model'][:16]}`, descriptor `{meta['descriptor'][:16]}` with threshold {meta['threshold']};",
        f"an image replicates when {meta['effort']['hits']} of {meta['effort']['images']} drawings are copies; DDIM "
        f"{meta['sampler']['steps']} steps, guidance {meta['sampler']['guidance']}.",
        f"Seeds: selection {meta['seeds']['selection']}, evaluation {meta['seeds']['evaluation']}. Raw rows: "
        "`docs/results/raw/bundled-model.jsonl`.",
        *(f"Table 1 was measured by a run at commit `{row['commit'][:12]}`." for row in rows if row["table"] == "kept"),
    ]


def before(rows: list[Row]) -> list[str]:
    """Targets, controls and unseen images on the unmitigated model, by caption form."""
    mine = [row for row in rows if row["table"] == "before"]
    groups: list[tuple[str, Callable[[Row], bool]]] = [
        ("targets", lambda row: row["set"] == "targets"),
        ("controls, shared captions", lambda row: row["set"] == "controls" and not row["unique"]),
        ("controls, unique captions", lambda row: row["set"] == "controls" and row["unique"]),
        ("unseen, shared captions", lambda row: row["set"] == "unseen" and not row["unique"]),
        ("unseen, unique captions", lambda row: row["set"] == "unseen" and row["unique"]),
    ]
    lines = []
    for name, belongs in groups:
        by_probe = {probe: [r for r in mine if belongs(r) and r["probe"] == probe] for probe in ("prompt", "search")}
        cells = [cell for found in by_probe.values() for cell in (interval(found), mean([r["mean"] for r in found]))]
        disagree = sum(r["judges_disagree"] for found in by_probe.values() for r in found)
        lines.append([name, *cells, str(disagree)])
    head = ["", "prompt", "similarity", "+ search", "similarity", "judges disagree"]
    return table(head, lines)


def curve(rows: list[Row]) -> list[str]:
    """Share recovered by each look."""
    found = [row for row in rows if row["table"] == "before" and row["probe"] == "search"]
    looks = sorted({row["first_step"] for row in found if row["first_step"] is not None})
    lines = []
    for name, chosen in (("targets", ["targets"]), ("controls and unseen", ["controls", "unseen"])):
        mine = [row for row in found if row["set"] in chosen]
        by = [
            interval(mine, lambda row, step=step: row["first_step"] is not None and row["first_step"] <= step)  # type: ignore[misc]
            for step in looks
        ]
        lines.append([name, *by])
    return table(["", *(f"by step {step}" for step in looks)], lines)


def off(summary: Row) -> str:
    """Mean and range of what is switched off, as a share."""
    shares = [count / summary["size"] for count in summary["off"]]
    spread = f"{sum(shares) / len(shares):.1%} ({min(shares):.1%}–{max(shares):.1%})"
    return f"{spread} of {summary['size']:,} {summary['what']}"


def settings(rows: list[Row]) -> list[str]:
    """The grid."""
    chosen = {row["method"] for row in rows if row["table"] == "chosen" and row["chosen"]}
    lines = [
        [
            f"**{row['method']}**" if row["method"] in chosen else row["method"],
            f"{row['prompt']:.2f}",
            off(row),
            f"{row['drift']:.2f}",
            "yes" if row["drift"] <= rows[0]["drift_bound"] else "no",
        ]
        for row in rows
        if row["table"] == "settings-summary"
    ]
    return table(["setting", "prompt", "switched off", "drift", "within bound"], lines)


def methods(rows: list[Row]) -> list[str]:
    """The comparison."""
    lines = []
    for summary in [row for row in rows if row["table"] == "methods-summary"]:
        mine = [row for row in rows if row["table"] == "methods" and row["method"] == summary["method"]]

        def some(role: str, probe: str, mine: list[Row] = mine) -> list[Row]:
            return [row for row in mine if row["role"] == role and row["probe"] == probe]

        lines.append(
            [
                summary["method"],
                interval(some("target", "prompt")),
                interval(some("target", "search")),
                interval(some("control", "search")),
                off(summary),
                f"{summary['drift']:.2f}" + ("" if summary["drift"] <= rows[0]["drift_bound"] else " (degraded)"),
            ]
        )
    return table(["method", "prompt", "+ search", "controls + search", "switched off", "drift"], lines)


def aims(rows: list[Row]) -> list[str]:
    """Which of the aims this run reached, in words computed from the rows."""

    def share(method: str, role: str, probe: str) -> float:
        found: list[bool] = [
            row["replicates"]
            for row in rows
            if row["table"] == "methods" and (row["method"], row["role"], row["probe"]) == (method, role, probe)
        ]
        return sum(found) / len(found)

    lines = [
        "The aim: a method under which at most 0.2 of the prompts replicate, at least 0.6 come back by search, and at"
    ]
    lines += ["most 0.02 of the controls, within the drift bound.", ""]
    for summary in [row for row in rows if row["table"] == "methods-summary"]:
        name = summary["method"]
        prompt, search = share(name, "target", "prompt"), share(name, "target", "search")
        control = share(name, "control", "search")
        within = summary["drift"] <= rows[0]["drift_bound"]
        reached = prompt <= 0.2 and search >= 0.6 and control <= 0.02 and within
        lines.append(
            f"* `{name}`: {'reached' if reached else 'not reached'} ({prompt:.2f} / {search:.2f} / {control:.2f})."
        )
    return lines


def picture(rows: list[Row]) -> list[str]:
    """The grid and what it shows."""
    shown = next(row for row in rows if row["table"] == "picture")
    return [
        "![targets, unmitigated, mitigated, recovered](bundled-model.png)",
        "",
        "From top to bottom: the training image; the unmitigated model asked with its caption; the same after",
        f"`{shown['method']}`; the same mitigated model asked with the embedding that 50 steps of search found.",
        "Drawn by `make demo-figures` from the run above, first drawing of each, nothing picked.",
    ]


def ordinary(rows: list[Row]) -> list[str]:
    """The second grid, of runs that drew one."""
    drawn = [row["prompts"] for row in rows if row["table"] == "ordinary"]
    if not drawn:
        return []
    [prompts] = drawn
    return [
        "",
        "![what ordinary prompts draw](bundled-model-ordinary.png)",
        "",
        f"One drawing of each of {len(prompts)} ordinary prompts, evenly spaced in the list, nothing picked: two",
        f"rows of faces, people and signs (`{prompts[0]}` …), two of things (`{prompts[len(prompts) // 2]}`",
        "…).",
    ]


PAGES: dict[str, Callable[[list[Row]], list[str]]] = {
    "bundled-model": bundled_model,
    "consensus": consensus_page.consensus,
    "detection": detection_page.detection,
    "locality": locality_page.locality,
    "paper-table": paper_table_page.paper_table,
    "planted": planted_page.planted,
    "regions": regions_page.regions,
    "constructed": constructed_page.constructed,
}


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if a page differs from what its rows say")
    check = parser.parse_args().check
    stale = []
    for name, render in PAGES.items():
        raw, page = RESULTS / "raw" / f"{name}.jsonl", RESULTS / f"{name}.md"
        if not raw.exists():  # not measured yet, and then there must be no page
            stale += [str(page)] if check and page.exists() else []
            continue
        rows = [json.loads(line) for line in raw.read_text().splitlines()]
        text = "\n".join(render(rows)) + "\n"
        if check and (not page.exists() or page.read_text() != text):
            stale.append(str(page))
        elif not check:
            page.write_text(text)
    if stale:
        sys.stderr.write(f"stale, run python -m worker.benchmarks.render: {', '.join(stale)}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
