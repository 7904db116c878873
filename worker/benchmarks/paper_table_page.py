"""docs/results/paper-table.md from its raw rows."""

from typing import Any

from worker.benchmarks.standing import made
from worker.benchmarks.tables import table
from worker.engine.rates import rate

Row = dict[str, Any]
PROBES = {"prompt": "prompt", "search": "+ search", "search-from-prompt": "+ search from the prompt"}
HIDES, BACK, CONTROL = 0.2, 0.6, 0.02


def paper_table(rows: list[Row]) -> list[str]:
    """The page."""
    meta = rows[0]
    return [
        "# The paper's table on the bundled model: hidden, or removed?",
        "",
        made(meta),
        f"Model `{meta['model'][:16]}`, descriptor `{meta['descriptor'][:16]}` with threshold {meta['threshold']};",
        f"an image replicates when {meta['effort']['hits']} of {meta['effort']['images']} drawings are copies.",
        "n counts images, with 95 % Clopper-Pearson intervals. Raw rows: `docs/results/raw/paper-table.jsonl`.",
        "",
        "## The methods, on the held-out half of the targets",
        "",
        "Searches are 50 Adam steps from one start, Gaussian or the prompt's embedding; controls are searched at the",
        "same budget on the same mitigated models. `per target` prunes a model for each target; all else is one model",
        "for all of them.",
        "",
        *methods(rows),
        "",
        "## What each method does to neutral prompts",
        "",
        "`drift`: 1 − similarity at equal noise; `aligned`: share of pictures assigned to their own prompt; `alike`:",
        "similarity between seeds; both distances are in the descriptor's space, with those of two draws of the",
        "unmitigated model in brackets.",
        "",
        *utilities(rows),
        "",
        "## Which of them hide, and which remove",
        "",
        *words(rows),
        "",
        *attacks(rows),
        "## Settings tried, on the other half with another seed",
        "",
        "Chosen: of those within the drift bound the one whose prompt replicates least, among equals the one that",
        "drifts least.",
        "",
        *settings(rows),
    ]


def names(rows: list[Row]) -> list[str]:
    """The methods in the order of the run."""
    return [row["method"] for row in rows if row["table"] == "made"]


def share(rows: list[Row], role: str, probes: list[str]) -> str:
    """k/n and the share with its interval, over the given probes together."""
    mine = [row["replicates"] for row in rows if row["role"] == role and row["probe"] in probes]
    if not mine:
        return "–"
    r = rate(sum(mine), len(mine))
    return f"{sum(mine)}/{len(mine)} = {r.value:.2f} [{r.low:.2f}, {r.high:.2f}]"


def value(rows: list[Row], role: str, probe: str) -> float:
    """The share alone."""
    mine: list[bool] = [row["replicates"] for row in rows if row["role"] == role and row["probe"] == probe]
    return sum(mine) / len(mine)


def methods(rows: list[Row]) -> list[str]:
    """Rows of methods, columns of probes."""
    lines = []
    for name in ["original", *names(rows)]:
        mine = [row for row in rows if row["table"] == "methods" and row["method"] == name]
        cells = [share(mine, "target", [probe]) for probe in PROBES]
        cells += [share(mine, "control", [probe]) for probe in PROBES if probe != "prompt"]
        off = [row for row in rows if row["table"] == "made" and row["method"] == name]
        lines.append([name, *cells, switched_off(off[0]) if off else "nothing"])
    head = ["", *PROBES.values(), "controls + search", "controls + search from the prompt", "switched off or moved"]
    return table(head, lines)


def switched_off(row: Row) -> str:
    """The mean share."""
    if row["what"] == "delta":
        return f"all {row['size']:,} weights moved"
    shares = [count / row["size"] for count in row["off"]]
    return f"{sum(shares) / len(shares):.1%} of {row['size']:,} {row['what']}"


def utilities(rows: list[Row]) -> list[str]:
    """What it cost."""
    lines = []
    for row in [row for row in rows if row["table"] == "made"]:
        u = row["utility"]
        lines.append(
            [
                row["method"],
                f"{u['drift']['value']:.2f}",
                f"{u['aligned_before']['value']:.2f} → {u['aligned_after']['value']:.2f}",
                f"{u['similarity_before']['value']:.2f} → {u['similarity_after']['value']:.2f}",
                f"{u['frechet']['value']:.3f} ({u['frechet']['null']:.3f})",
                f"{u['kernel']['value']:.4f} ({u['kernel']['null']:.4f})",
                f"yes: {', '.join(u['passed'])}" if u["degraded"] else "no",
            ]
        )
    return table(["", "drift", "aligned", "alike", "Fréchet distance", "kernel distance", "degraded"], lines)


def words(rows: list[Row]) -> list[str]:
    """What may be said of each method, computed from the rows."""
    return [f"* **{name}**: {word(rows, name)}." for name in names(rows)]


def word(rows: list[Row], name: str) -> str:
    """One method's sentence."""
    mine = [row for row in rows if row["table"] == "methods" and row["method"] == name]
    prompt = value(mine, "target", "prompt")
    back = max(value(mine, "target", probe) for probe in PROBES if probe != "prompt")
    control = max(value(mine, "control", probe) for probe in PROBES)
    if control > CONTROL:
        return f"nothing can be said, {control:.2f} of the controls replicate under the same search"
    if back > rows[0]["removed"]:
        silent = "hides" if prompt <= HIDES and back >= BACK else "neither hides as the paper says nor removes"
        return f"{silent} ({prompt:.2f} by prompt, up to {back:.2f} by search)"
    tried = [row for row in rows if row["table"] == "attacks" and row["method"] == name]
    if not tried:
        return (
            f"not recovered by either search (at most {back:.2f}); not attacked further, for every target has a model"
        )
    worst = max(value(part, "target", probe) for part, probe in parts(tried))
    survived = (
        "removes" if worst <= rows[0]["removed"] else "does not remove: what it was not trained on brings more back"
    )
    return f"{survived} (at most {back:.2f} by either search, {worst:.2f} by the attacks below)"


def parts(tried: list[Row]) -> list[tuple[list[Row], str]]:
    """Rows of every attack with each of its probes."""
    keys = dict.fromkeys((row["attack"], row["probe"]) for row in tried)
    return [([row for row in tried if row["attack"] == attack], probe) for attack, probe in keys]


def attacks(rows: list[Row]) -> list[str]:
    """What they were not trained on."""
    lines = []
    for name in names(rows):
        tried = [row for row in rows if row["table"] == "attacks" and row["method"] == name]
        for mine, probe in parts(tried):
            cells = [share(mine, role, [probe]) for role in ("target", "control")]
            lines.append([name, mine[0]["attack"], PROBES[probe], *cells])
    if not lines:
        return []
    return [
        "### Attacks on the methods that neither search got past",
        "",
        *table(["", "attack", "probe", "targets", "controls"], lines),
        "",
    ]


def settings(rows: list[Row]) -> list[str]:
    """All that was tried where there was a choice."""
    chosen = {(row["method"], row["tried"]) for row in rows if row["table"] == "chosen"}
    lines = []
    for row in [row for row in rows if row["table"] == "tried"]:
        key = (row["method"], row["tried"])
        mine = [r for r in rows if r["table"] == "settings" and (r["method"], r["tried"]) == key]
        said = ", ".join(f"{k}={v}" for k, v in row["parameters"].items() if k not in ("id", "kind") and v is not None)
        lines.append(
            [
                f"**{row['method']}**" if key in chosen else row["method"],
                said,
                share(mine, "target", ["prompt"]),
                f"{row['drift']:.2f}",
                f"{row['seconds']:.0f} s",
            ]
        )
    return table(["", "setting", "prompt", "drift", "took"], lines)
