"""docs/results/scaling.md from docs/results/raw/scaling.jsonl."""

import statistics
from typing import Any

from api_tests.results import stands_on, table
from api_tests.scaling.targets import SIZES

Row = dict[str, Any]
MISSING = ["Not measured yet."]


def page(rows: list[Row]) -> list[str]:
    """The whole of it, line by line."""
    by = {name: [row for row in rows if row["table"] == name] for name in ("cores", "workers", "targets")}
    return [
        "# How it scales",
        "",
        stands_on(rows[0], rows[1:]) + "Raw rows: `docs/results/raw/scaling.jsonl`.",
        "",
        "## One audit on two cores",
        "",
        "64 targets and 64 controls of the bundled model, NeMo and Wanda, prompt and 12 search steps; every worker has",
        "one core.",
        "",
        *(cores(by["cores"]) if by["cores"] else MISSING),
        "",
        "## Up to sixteen workers",
        "",
        "The engine is replaced by a sleep as long as a unit of the run above took, by kind "
        f"({sleeps(by['workers'])}); queue, leases, ledger and servers are real, all on this machine's two cores.",
        "An audit has twelve units a worker in three stages, two mitigations nobody can share, a plan and a report.",
        "Efficiency is the sum of all sleeps over workers × time from POST to report.",
        "",
        *(workers(by["workers"]) if by["workers"] else MISSING),
        "",
        "Where the rest of the time went, in worker-seconds: *idle* nothing that could be begun was queued, *way* from",
        "then until the claim, *upkeep* what a lease lasted beyond the sleep; the last two also per unit.",
        "",
        *stages(by["workers"]),
        "",
        "## Ten to ten thousand targets",
        "",
        "What an audit costs before its first measurement, by how its targets are named; the median of the runs. The",
        "gateway's memory is its resident size after each run, from the first run to the last of the row.",
        "",
        *([*targets(by["targets"]), "", *growth(by["targets"])] if by["targets"] else MISSING),
    ]


def cores(rows: list[Row]) -> list[str]:
    """One worker against two."""
    alone = next(row["wall_seconds"] for row in rows if row["workers"] == 1)
    return table(
        ["workers", "units", "POST to report", "speed-up", "result"],
        (
            [
                f"{row['workers']}",
                f"{row['units']}",
                f"{row['wall_seconds']:.0f} s",
                f"{alone / row['wall_seconds']:.2f}",
                f"`{row['result_digest'][:12]}`",
            ]
            for row in rows
        ),
    )


def sleeps(rows: list[Row]) -> str:
    """Seconds by kind of unit."""
    return ", ".join(f"{kind} {seconds:.1f} s" for kind, seconds in rows[0]["sleeps"].items()) if rows else "–"


def workers(rows: list[Row]) -> list[str]:
    """The efficiencies."""
    return table(
        ["workers", "units", "POST to report", "asleep", "efficiency"],
        (
            [
                f"{row['workers']}",
                f"{row['units']}",
                f"{row['wall_seconds']:.1f} s",
                f"{row['work_seconds']:.1f} s",
                f"{row['efficiency']:.3f}",
            ]
            for row in rows
        ),
    )


def stages(rows: list[Row]) -> list[str]:
    """What was neither sleep nor avoidable, by stage."""
    lines = []
    for row in rows:
        for name, of in row["stages"].items():
            count = max(1, of["units"])
            upkeep = of["held"] - of["units"] * row["sleeps"].get(name.partition(":")[0], 0.0)
            per = [f"{1000 * of['way'] / count:.0f} ms", f"{1000 * upkeep / count:.0f} ms"] if of["units"] else ["", ""]
            lines.append(
                [
                    f"{row['workers']}",
                    name,
                    f"{of['units']}",
                    f"{of['idle']:.1f}",
                    f"{of['way']:.2f}",
                    f"{upkeep:.2f}",
                    *per,
                ]
            )
    return table(["workers", "stage", "units", "idle", "way", "upkeep", "way a unit", "upkeep a unit"], lines)


def targets(rows: list[Row]) -> list[str]:
    """The medians by size."""
    lines = []
    for how, size in groups(rows):
        mine = [row for row in rows if (row["how"], row["targets"]) == (how, size)]

        def middle(column: str, mine: list[Row] = mine) -> float:
            return float(statistics.median(row[column] for row in mine))

        lines.append(
            [
                "by a set" if how == "named" else "sent along",
                f"{size:,}",
                f"{middle('body_bytes') / 1000:,.1f} kB",
                f"{middle('post_seconds'):.3f} s",
                f"{middle('plan_seconds'):.3f} s",
                f"{sum(mine[0]['rows'].values()):,}",
                f"{1000 * middle('status_seconds'):.1f} ms",
                f"{middle('cancel_seconds'):.3f} s",
                f"{mine[0]['gateway_bytes'] / 2**20:.0f} to {mine[-1]['gateway_bytes'] / 2**20:.0f} MiB",
            ]
        )
    head = ["targets", "number", "body", "POST", "plan", "rows", "status", "cancel", "gateway"]
    return table(head, lines)


def groups(rows: list[Row]) -> list[tuple[str, int]]:
    """What was measured, in order."""
    return list(dict.fromkeys((row["how"], row["targets"]) for row in rows))


def growth(rows: list[Row]) -> list[str]:
    """How costs grow from the second largest size to the largest."""
    small, large = SIZES[-2:]
    lines = []
    for how in ("named", "inline"):
        for column in ("post_seconds", "plan_seconds", "status_seconds"):
            few, many = (
                statistics.median(row[column] for row in rows if (row["how"], row["targets"]) == (how, size))
                for size in (small, large)
            )
            noun = "by a set" if how == "named" else "sent along"
            lines.append(f"* {noun}, {column.removesuffix('_seconds')}: × {many / few:.1f}")
    return [f"From {small:,} to {large:,} targets (× {large // small}) this grew:", "", *lines]
