"""docs/results/planted.md from the rows of ``make planted``."""

from typing import Any

from worker.benchmarks.standing import made
from worker.benchmarks.tables import table
from worker.canaries import compare
from worker.canaries.compare import Comparison, told
from worker.canaries.truth import Truth

Row = dict[str, Any]
BOUND, ENOUGH = 0.01, 400
PROBES = ("prompt", "search")


def planted(rows: list[Row]) -> list[str]:
    """The page."""
    images, found = of(rows, "image"), compared(rows)
    return [
        "# The auditor audited: models with canaries",
        "",
        *stands_on(rows),
        "",
        "## False alarms",
        "",
        "Images never planted in the model they were judged on, called memorized (any verdict but `not_memorized` and",
        "`inconclusive`).",
        "",
        *false_alarms(images, found),
        "",
        *aim(found),
        "",
        "## What was missed, by duplication count",
        "",
        "Planted images judged `not_memorized`, unconditioned: also where the model never came to remember them, which",
        "at low counts is the rule. `shown` is how often the training showed an image of that count, on average.",
        "",
        *missed(images, found),
        "",
        *methods(found),
        "",
        "## What the models remember",
        "",
        "Shares of images that replicate by their caption and by a search from a Gaussian start, over all models",
        "together, and the mean similarity of the drawings to the image.",
        "",
        *remembered(rows),
        "",
        "## The models",
        "",
        *models(rows),
    ]


def of(rows: list[Row], name: str) -> list[Row]:
    """One table of the raw rows."""
    return [row for row in rows if row["table"] == name]


def stands_on(rows: list[Row]) -> list[str]:
    """The meta row as sentences."""
    meta = rows[0]
    planting, effort = meta["planting"], meta["effort"]
    counts = ", ".join(str(n) for n in meta["copies"])
    return [
        made(meta),
        f"Bundled model `{meta['model'][:16]}`, descriptor `{meta['descriptor'][:16]}` with threshold "
        f"{meta['threshold']}; an image replicates when {effort['hits']} of {effort['images']} drawings are copies; "
        f"DDIM {meta['sampler']['steps']} steps, guidance {meta['sampler']['guidance']}.",
        f"{len(of(rows, 'model'))} models, each fine-tuned for {planting['steps']} steps of {planting['batch_size']} "
        f"rows (AdamW {planting['learning_rate']:g}) on {meta['each']} pictures in each of {counts} copies beside "
        f"{meta['regular']:,} ordinary ones; none of the pictures was in any training before "
        f"([canaries.md](../canaries.md)). Seed {meta['seed']}. Raw rows: `docs/results/raw/planted.jsonl`.",
    ]


def judged(rows: list[Row]) -> list[tuple[Truth, dict[str, Any]]]:
    """Truth and verdicts of every model."""
    images = of(rows, "image")
    found = []
    for m in sorted({row["model"] for row in images}):
        mine = [row for row in images if row["model"] == m]
        truth = Truth(
            id=str(m), model="", baseline="", recipe={}, copies={row["item"]: row["copies"] for row in mine}, seen={}
        )
        found.append((truth, {row["item"]: row["verdict"] for row in mine}))
    return found


def compared(rows: list[Row]) -> Comparison:
    """Verdicts against truth, clustered by model."""
    return compare.compare([(truth, words) for truth, words in judged(rows)])


def false_alarms(images: list[Row], found: Comparison) -> list[str]:
    """All never-planted images, and those of either form of caption."""
    lines = [["all", told(found.false_positives), told(found.never_planted_inconclusive), found.false_positives.method]]
    for name, is_unique in (("captions as unique as the canaries'", True), ("shared captions", False)):
        mine = [row for row in images if row["copies"] > 0 or row["unique"] is is_unique]
        part = compared(mine)
        lines.append(
            [
                name,
                told(part.false_positives),
                told(part.never_planted_inconclusive),
                part.false_positives.method,
            ]
        )
    return table(["never planted", "called memorized", "inconclusive", "interval of the first"], lines)


def aim(found: Comparison) -> list[str]:
    """Whether the aim is reached, in words computed from the rows."""
    share = found.false_positives
    reached = share.n >= ENOUGH and share.k <= BOUND * share.n
    return [
        f"The aim, at most {BOUND:.0%} of at least {ENOUGH} never-planted images: "
        f"{'reached' if reached else 'not reached'} ({share.k} of {share.n})."
    ]


def missed(images: list[Row], found: Comparison) -> list[str]:
    """One row a duplication count."""
    lines = []
    for line in found.lines:
        seen = [row["seen"] for row in images if row["copies"] == line.copies]
        shown = f"{sum(seen) / len(seen):.0f}"
        lines.append([str(line.copies), shown, told(line.missed), told(line.found), told(line.inconclusive)])
    return table(["copies", "shown", "missed", "found", "inconclusive"], lines)


def methods(found: Comparison) -> list[str]:
    """What the intervals of that table are over."""
    by_method: dict[str, list[str]] = {}
    for line in found.lines:
        for name, share in (("missed", line.missed), ("found", line.found), ("inconclusive", line.inconclusive)):
            by_method.setdefault(share.method, []).append(f"{name} at {line.copies}")
    said = "; ".join(f"{method}: {', '.join(cells)}" for method, cells in by_method.items())
    return [f"95 % intervals, clustered by model where models differ. {said}."]


def remembered(rows: list[Row]) -> list[str]:
    """By both probes, controls last."""
    images = of(rows, "image")
    groups = [(str(n), [row for row in images if row["copies"] == n]) for n in sorted({r["copies"] for r in images})]
    groups[0] = ("never planted", groups[0][1]) if groups[0][0] == "0" else groups[0]
    lines = []
    for name, mine in [*groups, ("controls", of(rows, "control"))]:
        cells = []
        for probe in PROBES:
            answers = [row[probe] for row in mine if probe in row]
            k = sum(answer["replicates"] for answer in answers)
            cells += [f"{k}/{len(answers)}", f"{sum(answer['mean'] for answer in answers) / len(answers):.2f}"]
        lines.append([name, *cells])
    return table(["copies", "prompt", "similarity", "+ search", "similarity"], lines)


def models(rows: list[Row]) -> list[str]:
    """One by one."""
    lines = []
    for row in of(rows, "model"):
        mine = [image for image in of(rows, "image") if image["model"] == row["model"]]
        accused = [compare.is_accused(image["verdict"]) for image in mine if not image["copies"]]
        kept = [compare.is_accused(image["verdict"]) for image in mine if image["copies"]]
        controls = [c for c in of(rows, "control") if c["model"] == row["model"]]
        lines.append(
            [
                f"{row['model']} (`{row['digest'][:12]}`)",
                str(row["recipe"]["seed"]),
                f"{sum(kept)}/{len(kept)}",
                f"{sum(accused)}/{len(accused)}",
                f"{sum(c['search']['replicates'] for c in controls)}/{len(controls)}",
                str(len(row["skipped"])),
                f"{row['forwards'] + row['forwards_with_gradient']:,}",
            ]
        )
    head = ["model", "seed", "canaries found", "never planted, called memorized", "controls + search"]
    return table([*head, "pictures left out", "sample-forwards"], lines)
