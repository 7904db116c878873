"""docs/results/constructed.md from the rows of ``make constructed``."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from palimpsest.contract.verdicts import VERDICTS
from worker.benchmarks.standing import made
from worker.benchmarks.tables import table
from worker.canaries.compare import Share, clustered, told

Row = dict[str, Any]
CONCEALED, RECOVERED = 0.95, 0.02
PROBES = ("prompt", "search")
WHEN = ("before", "after")
BACK = ("still_replicates", "concealed")


def constructed(rows: list[Row]) -> list[str]:
    """The page."""
    return [
        "# Hidden and gone, by construction",
        "",
        *stands_on(rows),
        "",
        "## Hidden: the memory is there, its caption is lost",
        "",
        *hidden(rows),
        "",
        "## Gone: the same training without its canaries",
        "",
        *gone(rows),
    ]


def stands_on(rows: list[Row]) -> list[str]:
    """The meta row as sentences."""
    meta = rows[0]
    effort, seeds = meta["effort"], meta["seeds"]
    return [
        made(meta),
        f"Bundled model `{meta['model'][:16]}`, descriptor `{meta['descriptor'][:16]}` with threshold "
        f"{meta['threshold']}; an image replicates when {effort['hits']} of {effort['images']} drawings are copies; "
        f"DDIM {meta['sampler']['steps']} steps, guidance {meta['sampler']['guidance']}; seeds {seeds['hidden']} and "
        f"{seeds['gone']}. Raw rows: `docs/results/raw/constructed.jsonl`.",
    ]


def of(rows: list[Row], table_name: str, what: str) -> list[Row]:
    """Rows of one table about one of the two."""
    return [row for row in rows if row["table"] == table_name and row["what"] == what]


def share(rows: list[Row], is_so: Callable[[Row], bool]) -> Share:
    """Of targets, clustered by model."""
    by_model: dict[int, list[bool]] = {}
    for row in rows:
        by_model.setdefault(row["model"], []).append(is_so(row))
    return clustered([(sum(found), len(found)) for found in by_model.values()])


def counted(rows: list[Row]) -> list[str]:
    """How often every word was said."""
    said = Counter(row["verdict"] for row in rows)
    return table(["verdict", "targets"], [[f"`{word}`", str(said[word])] for word in VERDICTS if said[word]])


def replicated(row: Row, when: str, probes: tuple[str, ...] = PROBES) -> bool:
    """Whether any of the probes brought it back."""
    return any(row[when][probe]["replicates"] for probe in probes if probe in row[when])


def shown(rows: list[Row], controls: list[Row]) -> list[str]:
    """What both probes showed, before and after."""
    lines = []
    for name, mine in (("targets", rows), ("controls", controls)):
        for probe in PROBES:
            cells = []
            for when in WHEN:
                answers = [row[when][probe] for row in mine if probe in row[when]]
                k = sum(answer["replicates"] for answer in answers)
                cells += [f"{k}/{len(answers)}", f"{sum(a['mean'] for a in answers) / len(answers):.2f}"]
            lines.append([name, probe, *cells])
    return table(["", "probe", "before", "similarity", "after", "similarity"], lines)


def others(rows: list[Row], word: str) -> list[str]:
    """Every target that was not given the right word, and why."""
    wrong = [row for row in rows if row["verdict"] != word]
    said = [f"* `{row['item']}`: {': '.join([row['verdict'], *row['reasons']])}" for row in wrong]
    return ["", *said] if said else []


def hidden(rows: list[Row]) -> list[str]:
    """The bundled targets behind another text encoder."""
    [model], targets = of(rows, "model", "hidden"), of(rows, "target", "hidden")
    concealed = share(targets, lambda row: bool(row["verdict"] == "concealed"))
    return [
        f"The U-Net is untouched; {model['tokens']} tokens that only the targets' captions have were given the",
        f"embeddings of others. Neutral prompts are encoded as before: drift {model['drift']:.3f}.",
        "",
        *shown(targets, of(rows, "control", "hidden")),
        "",
        *counted(targets),
        "",
        f"Judged `concealed`: {told(concealed)}, {concealed.method}.",
        f"The aim, at least {CONCEALED:.0%}: {'reached' if concealed.k >= CONCEALED * concealed.n else 'not reached'}.",
        *others(targets, "concealed"),
    ]


def gone(rows: list[Row]) -> list[str]:
    """The canaries of planted models, on their twins."""
    models, targets = of(rows, "model", "gone"), of(rows, "target", "gone")
    controls = of(rows, "control", "gone")
    remembered = [row for row in targets if replicated(row, "before")]
    found = share(targets, lambda row: row["verdict"] in BACK)
    found_again = share(remembered, lambda row: row["verdict"] in BACK)
    drifts = ", ".join(f"{row['drift']:.2f}" for row in models)
    return [
        f"{len(models)} pairs of models, trained alike row by row and noise by noise, one of each without the",
        f"canaries. They draw neutral prompts differently (drift {drifts}); past 0.5 a model counts as degraded, and a",
        "target that did not come back is `inconclusive` instead of `not_recovered`.",
        "",
        *shown(targets, controls),
        "",
        *counted(targets),
        "",
        f"Recovered (`still_replicates` or `concealed`) of all canaries: {told(found)}, {found.method}.",
        f"The aim, at most {RECOVERED:.0%}: {'reached' if found.k <= RECOVERED * found.n else 'not reached'}.",
        f"Of those that the model with canaries replicates: {told(found_again)}, {found_again.method}.",
        "",
        "### The same image, start, seeds and budget, with and without",
        "",
        *paired(targets),
    ]


def paired(targets: list[Row]) -> list[str]:
    """By duplication count: how much nearer the search came on the model that was shown the image."""
    lines = []
    for copies in sorted({row["copies"] for row in targets}):
        mine = [row for row in targets if row["copies"] == copies and all("search" in row[w] for w in WHEN)]
        if not mine:
            continue
        gaps = [row["before"]["search"]["mean"] - row["after"]["search"]["mean"] for row in mine]
        back = [sum(replicated(row, when, ("search",)) for row in mine) for when in WHEN]
        cells = [f"{back[0]}/{len(mine)}", f"{back[1]}/{len(mine)}", f"{sum(gaps) / len(gaps):+.2f}"]
        lines.append([str(copies), *cells, f"{sum(gap > 0 for gap in gaps)}/{len(mine)}"])
    return table(["copies", "search, with", "search, without", "similarity, with − without", "nearer with"], lines)
