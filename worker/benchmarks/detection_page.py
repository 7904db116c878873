"""docs/results/detection.md from the rows of ``make detection``."""

from collections.abc import Callable
from typing import Any

from palimpsest.contract.report import Rate
from worker.benchmarks.standing import made
from worker.benchmarks.tables import table
from worker.engine.detection import calibrate
from worker.engine.roc import above, auc, tpr_at

Row = dict[str, Any]
ALPHA = 0.01
AIM = 0.95


def detection(rows: list[Row]) -> list[str]:
    """The page."""
    captions = [row for row in rows if row["table"] == "caption"]
    return [
        "# Detection: which captions are memorized?",
        "",
        *stands_on(rows),
        "",
        "## What was asked",
        "",
        *who(captions),
        "",
        "## Area under the ROC, and targets found at 1 % false alarms",
        "",
        "Against all negatives of the evaluation part, and against those alone whose captions are as unique as the",
        "targets'. Areas with Newcombe's 95 % interval; shares with Clopper-Pearson's, given the threshold, which is",
        "the lowest that at most 1 % of the negatives exceed. `captions alone` never looks at the model: a logistic",
        "regression on length and digits, each caption scored by a fit that has not seen it.",
        "",
        *areas(captions),
        "",
        *aims(captions),
        *reversed_ones(captions),
        "",
        "## Thresholds calibrated beforehand",
        "",
        "As an audit does it: the threshold comes from calibration captions, for 1 % false alarms, and is then left",
        "alone. On the left it rests on negatives of both forms; on the right on shared captions only, which is all",
        "that an audit's neutral prompts are.",
        "",
        *calibrated(captions),
        "",
        "## What it cost",
        "",
        *costs(rows),
    ]


def stands_on(rows: list[Row]) -> list[str]:
    """The meta row as sentences."""
    meta = rows[0]
    return [
        made(meta),
        f"Model `{meta['model'][:16]}`, descriptor `{meta['descriptor'][:16]}` with threshold {meta['threshold']}; "
        f"DDIM {meta['sampler']['steps']} steps, guidance {meta['sampler']['guidance']}; seed {meta['seed']}; "
        f"{meta['images']} noises a caption, one for `attention_entropy`. Raw rows: "
        "`docs/results/raw/detection.jsonl`.",
    ]


def who(captions: list[Row]) -> list[str]:
    """How many captions of which kind are on which side."""
    kinds: list[tuple[str, Callable[[Row], bool]]] = [
        ("targets", lambda row: row["set"] == "targets"),
        ("controls and unseen, unique captions", lambda row: row["set"] in ("controls", "unseen") and row["unique"]),
        (
            "controls and unseen, shared captions",
            lambda row: row["set"] in ("controls", "unseen") and not row["unique"],
        ),
        ("neutral", lambda row: row["set"] == "neutral"),
    ]
    lines = []
    for name, belongs in kinds:
        parts = [row["part"] for row in captions if belongs(row)]
        lines.append([name, str(parts.count("calibration")), str(parts.count("evaluation"))])
    sides = [
        sum(row["part"] == part for row in captions if row["set"] != "targets")
        for part in ("calibration", "evaluation")
    ]
    lines.append(["**negatives**", *(f"**{n}**" for n in sides)])
    return table(["captions", "calibration", "evaluation"], lines)


def names(captions: list[Row]) -> list[str]:
    """Detectors in the order they ran, the baseline last."""
    listed: list[str] = list(captions[0]["scores"])
    return sorted(listed, key=lambda name: name == "captions alone")


def of(captions: list[Row], name: str, belongs: Callable[[Row], bool]) -> list[float]:
    """One detector's scores of some captions."""
    return [row["scores"][name] for row in captions if belongs(row)]


def is_target(row: Row) -> bool:
    """A positive."""
    return bool(row["set"] == "targets")


def evaluates(row: Row) -> bool:
    """A negative of the evaluation part."""
    return not is_target(row) and row["part"] == "evaluation"


def calibrates(row: Row) -> bool:
    """A negative of the calibration part."""
    return bool(row["part"] == "calibration")


def share(rate: Rate) -> str:
    """k/n with its interval."""
    return f"{rate.k}/{rate.n} = {rate.k / rate.n:.2f} [{rate.low:.2f}, {rate.high:.2f}]"


def areas(captions: list[Row]) -> list[str]:
    """AUC and TPR@1%FPR."""
    lines = []
    for name in names(captions):
        found = of(captions, name, is_target)
        cells = []
        for negatives in (
            of(captions, name, evaluates),
            of(captions, name, lambda row: evaluates(row) and row["unique"]),
        ):
            area = auc(found, negatives)
            cells += [f"{area.value:.3f} [{area.low:.3f}, {area.high:.3f}]", share(tpr_at(found, negatives, ALPHA))]
        lines.append([f"`{name}`", *cells])
    return table(["detector", "AUC, all", "TPR at 1 %, all", "AUC, unique", "TPR at 1 %, unique"], lines)


def aims(captions: list[Row]) -> list[str]:
    """Whether the aim is reached, in words computed from the rows."""
    reached = []
    for name in names(captions):
        negatives = of(captions, name, evaluates)
        if name != "captions alone" and auc(of(captions, name, is_target), negatives).value >= AIM:
            reached.append(name)
    kinds = sorted({name.split(",")[0] for name in reached})
    told = ", ".join(f"`{name}`" for name in reached) or "none"
    verdict = "reached" if len(kinds) >= 2 else "not reached"
    return [f"The aim, an area of at least {AIM} for at least two detectors: {verdict} ({told})."]


def reversed_ones(captions: list[Row]) -> list[str]:
    """Detectors that point the other way here, if any."""
    areas = {
        n: auc(of(captions, n, is_target), of(captions, n, lambda r: evaluates(r) and r["unique"]))
        for n in names(captions)
    }
    lower = [f"`{name}`" for name, area in areas.items() if area.high < 0.5]
    if not lower:
        return []
    return ["", f"Reversed on this model, memorized captions scoring lower than unique ones: {', '.join(lower)}."]


def calibrated(captions: list[Row]) -> list[str]:
    """What a threshold fixed on the calibration part does on the evaluation part."""
    lines = []
    for name in names(captions):
        cells = []
        for mine in (calibrates, lambda row: calibrates(row) and not row["unique"]):
            threshold = calibrate(of(captions, name, mine), ALPHA)
            cells += [
                share(above(of(captions, name, belongs), threshold))
                for belongs in (
                    is_target,
                    lambda row: evaluates(row) and row["unique"],
                    lambda row: evaluates(row) and not row["unique"],
                )
            ]
        lines.append([f"`{name}`", *cells])
    head = ["targets flagged", "unique negatives", "other negatives"]
    return table(["detector", *head, *(f"{cell}, neutral only" for cell in head)], lines)


def costs(rows: list[Row]) -> list[str]:
    """Sample-forwards and seconds for all captions."""
    spent = [row for row in rows if row["table"] == "cost" and row["forwards"]]
    lines = [[row["what"], f"{row['forwards']:,}", f"{row['seconds']:.0f}"] for row in spent]
    return table(["detectors", "sample-forwards", "seconds"], lines)
