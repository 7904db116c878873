"""docs/results/faults.md from docs/results/raw/faults.jsonl."""

import statistics
from typing import Any

from api_tests.faults.attempt import DEADLINE
from api_tests.faults.deployment import SHORT
from api_tests.faults.table import FAULTS
from api_tests.faults.trial import SEEDS
from api_tests.results import stands_on, table

Row = dict[str, Any]
HEAD = [
    "fault",
    "tries",
    "audits in flight",
    "lost",
    "executed twice",
    "recorded twice",
    "recovery: median (longest)",
    "as undisturbed",
]


def page(rows: list[Row]) -> list[str]:
    """The whole of it, line by line."""
    tries = [row for row in rows if row["table"] == "tries"]
    return [
        "# What is lost when something breaks",
        "",
        stands_on(rows[0], tries) + "Raw rows: `docs/results/raw/faults.jsonl`, one a try.",
        "",
        f"In every try {len(SEEDS)} audits of a tiny model ({units(tries)} units together) are at work on two workers",
        "over PostgreSQL and Redis when the fault strikes; some faults submit more audits while it lasts. Leases last",
        f"{SHORT['PALIMPSEST_LEASE_SECONDS']} s, a silent unit is announced again after"
        f" {SHORT['PALIMPSEST_RING_AGAIN_SECONDS']} s, the sweeper looks every {SHORT['PALIMPSEST_SWEEP_SECONDS']} s.",
        "Whatever is killed is started again at once, as a supervisor would.",
        "",
        *table(HEAD, (line(name, [row for row in tries if row["fault"] == name]) for name in FAULTS)),
        "",
        f"* *Lost*: audits that were accepted and had not ended {DEADLINE:.0f} s after the fault.",
        "* *Executed twice*: units whose engine ran to its end more than once; it costs time, nothing else.",
        "* *Recorded twice*: units or audits whose end stands in the record more than once.",
        "* *Recovery*: seconds from the end of the cause (a server is back, a signal has been sent) until what the",
        "  last column below says.",
        "* *As undisturbed*: audits whose `result_digest` is that of the same request when nothing happens to it;",
        "  where the fault must leave a trace in the result, what is compared is said below.",
        "",
        "## Row by row",
        "",
        *table(["fault", "expected", "recovered when", "seen"], (seen(name, tries) for name in FAULTS)),
        *wrong(tries),
    ]


def units(tries: list[Row]) -> int:
    """The units of a try that submits no more audits than all do."""
    return min(int(row["units"]) for row in tries if row["lost"] is not None)


def line(name: str, tries: list[Row]) -> list[str]:
    """One fault, all tries together."""
    whole = [row for row in tries if row["lost"] is not None]
    broken = len(tries) - len(whole)
    waits = [row["recovery_seconds"] for row in whole if row["recovery_seconds"] is not None]

    def total(column: str) -> int:
        return sum(row[column] for row in whole)

    return [
        FAULTS[name].title,
        f"{len(tries)}" + (f" ({broken} not carried through)" if broken else ""),
        f"{total('in_flight')}",
        f"{total('lost')} of {total('audits')}",
        f"{total('executed_twice')} of {total('units')} units",
        f"{total('recorded_twice')}",
        f"{statistics.median(waits):.1f} s ({max(waits):.1f} s)" if waits else "–",
        f"{total('agreeing')}/{total('audits')}",
    ]


def seen(name: str, tries: list[Row]) -> list[str]:
    """What a fault counts as recovered, and what else its tries noted: the sum, or the range, of every fact."""
    facts = [row["facts"] for row in tries if row["fault"] == name and row["lost"] is not None]
    names = sorted({key for fact in facts for key in fact})
    notes = [f"{key.replace('_', ' ')}: {summed([fact[key] for fact in facts if key in fact])}" for key in names]
    fault = FAULTS[name]
    return [fault.title, fault.expected, fault.recovered, "; ".join(notes) or "–"]


def summed(values: list[Any]) -> str:
    """Integers and fractions by their range, words by their number."""
    if all(isinstance(value, (int, float)) for value in values):
        low, high = min(values), max(values)
        return f"{low}" if low == high else f"{low} to {high}"
    words = sorted(set(map(str, values)))
    return ", ".join(words) if len(words) <= 4 else f"{len(words)} different"


def wrong(tries: list[Row]) -> list[str]:
    """Every complaint of every try."""
    found = [(row, complaint) for row in tries for complaint in row["complaints"]]
    if not found:
        return ["", "No try has a complaint."]
    lines = [
        f"* {FAULTS[row['fault']].title}, try {row['try']}: `{text.splitlines()[-1][:300]}`" for row, text in found
    ]
    return ["", "## Complaints", "", *lines]
