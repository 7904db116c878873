"""docs/results/load.md from docs/results/raw/load.jsonl."""

import statistics
from collections.abc import Iterable
from typing import Any

from api_tests.results import table

Row = dict[str, Any]

POLLS, SUBMISSIONS, STREAMS = 0.6, 0.5, 1000
"""What was to be shown: shares of what the bare routes do, and open streams."""


def page(rows: list[Row]) -> list[str]:
    """The whole of it, line by line."""
    of = {name: [row for row in rows if row["table"] == name] for name in {row["table"] for row in rows}}
    return [
        "# What the gateway bears",
        "",
        *stands_on(of["meta"][0]),
        "",
        "The gateway is one uvicorn process with a sweeper beside it, over PostgreSQL with fsync on and Redis. What it",
        "is compared with are bare routes in another process under the same command line of uvicorn and with the same",
        "driver and pool (`api_tests/load/bare.py`). Rounds of the kinds follow each other in turn, so that whatever",
        "else the machine does meets all of them. The load comes from wrk on the same two cores. **Only the ratios are",
        "meant to hold elsewhere**; the figures per second are this machine's.",
        "",
        *polls(of["polls"]),
        *submissions(of["submissions"]),
        *with_a_key(of["polls with a key"], of["submissions with a key"]),
        *streams(of["streams"]),
        *stalls(of["stalls"]),
        *many(of["many"]),
    ]


def stands_on(meta: Row) -> list[str]:
    """The meta row as sentences."""
    versions = ", ".join(f"{name} {number}" for name, number in meta["versions"].items())
    servers = "; ".join(server.split(" sha=")[0] for server in meta["servers"])
    return [
        f"Made {meta['date']} by `{meta['command']}` at commit `{meta['commit'][:12]}`"
        f"{' with changes not committed yet' if meta['commit'].endswith('+') else ''}; {meta['machine']}.",
        f"{versions}; {servers}. Raw rows: `docs/results/raw/load.jsonl`, one a round.",
    ]


def polls(rows: list[Row]) -> list[str]:
    """Status polls."""
    by_model = Comparison(rows, "bare model")
    by_bytes = Comparison(rows, "bare bytes")
    kinds = ["bare model", "bare bytes", "gateway 200", "gateway 304", "gateway 200, changing"]
    head = [*HEAD, "of bare model", "of bare bytes"]
    reached = all(by_model.ratio(kind) >= POLLS for kind in kinds[2:])
    return [
        f"## Status polls: at least {POLLS} of a bare route",
        "",
        f"{rounds(rows)}, 16 connections. Every poll of the gateway reads the audit's revision by primary",
        "key; polls that",
        "come at the same moment share that read. *304* sends the current ETag, *changing* polls an audit",
        "whose revision",
        "advances ten times a second. *Bare model* answers the same body from a pydantic model, as FastAPI is written;",
        "*bare bytes* has it ready in memory.",
        "",
        *table(head, ([*line(kind, rows), by_model.cell(kind), by_bytes.cell(kind)] for kind in kinds)),
        "",
        verdict(reached, f"every kind of poll reaches {POLLS} of the bare model route, by the median of the rounds"),
        "",
    ]


def submissions(rows: list[Row]) -> list[str]:
    """Submissions."""
    lines, ratios = [], {}
    for connections in sorted({row["connections"] for row in rows}, reverse=True):
        these = [row for row in rows if row["connections"] == connections]
        compared = Comparison(these, "bare row")
        ratios[connections] = compared.ratio("gateway audit")
        for kind in ("bare row", "gateway audit"):
            lines.append([f"{connections}", *line(kind, these), compared.cell(kind)])
    most, *others = ratios
    return [
        f"## Submissions: at least {SUBMISSIONS} of one row inserted",
        "",
        f"{rounds(rows)}. A submission is admitted against the catalogue, bound to its idempotency key and",
        "recorded in six",
        "tables before the 202; submissions that come at the same moment share a transaction. The bare route",
        "inserts one",
        "row and commits.",
        "",
        *table(["connections", *HEAD, "of bare row"], lines),
        "",
        verdict(ratios[most] >= SUBMISSIONS, f"with {most} connections it is {SUBMISSIONS} of the bare route"),
        *(
            f"With {other} there is nobody to share with: {ratios[other]:.2f}, and a latency of "
            f"{median(rows, 'gateway audit', 'p50', connections=other):.1f} ms."
            for other in others
        ),
        "",
    ]


def with_a_key(polled: list[Row], submitted: list[Row]) -> list[str]:
    """Polls and submissions once more, with all that a key is asked for."""
    of_polls, of_submissions = Comparison(polled, "bare model"), Comparison(submitted, "bare row")
    kinds = ["gateway 200", "gateway 304"]
    reached = min(map(of_polls.ratio, kinds)) >= POLLS and of_submissions.ratio("gateway audit") >= SUBMISSIONS
    return [
        "## The same with keys and limits",
        "",
        f"{rounds(polled)}, 16 connections. Every request carries an API key; its scope is checked, the rates of the",
        "key and of its tenant are counted, and a submission is counted against the tenant's quotas of open audits and",
        "targets in its own transaction. The limits are set so high that none is reached. The bare routes ask nobody.",
        "",
        *table(
            [*HEAD, "of the bare route"],
            [
                *([*line(kind, polled), of_polls.cell(kind)] for kind in ("bare model", *kinds)),
                *([*line(kind, submitted), of_submissions.cell(kind)] for kind in ("bare row", "gateway audit")),
            ],
        ),
        "",
        verdict(
            reached, f"polls reach {POLLS} of the bare route and submissions {SUBMISSIONS}, keys and limits included"
        ),
        "",
    ]


def streams(rows: list[Row]) -> list[str]:
    """Event streams."""
    (row,) = rows
    held = row["connections"]
    reached = (
        row["streams"] >= STREAMS
        and row["heard_fewest"] >= int(row["seconds"])
        and row["heard_missing"] == row["heard_resets"] == 0
    )
    each = (row["megabytes_open"] - row["megabytes_before"]) * 1024 / row["streams"]
    facts = [
        ["open streams, of an audit each", f"{row['streams']}"],
        ["events recorded in all", f"{row['told']} in {row['seconds']} s"],
        ["events heard", f"{row['heard_events']}; the stream with the fewest heard {row['heard_fewest']}"],
        ["events missing, streams reset", f"{row['heard_missing']}, {row['heard_resets']}"],
        [
            "from the event's commit to the client",
            f"p50 {row['heard_p50']:.0f} ms, p95 {row['heard_p95']:.0f} ms, p99 {row['heard_p99']:.0f} ms, "
            f"slowest {row['heard_slowest']:.0f} ms",
        ],
        ["longest time between two events of a stream", f"{row['heard_longest_gap'] / 1e3:.2f} s"],
        ["connections to the database the gateway held", f"{held}"],
        [
            "memory of the gateway",
            f"{row['megabytes_before']:.0f} MB before, {row['megabytes_open']:.0f} MB with all streams open "
            f"({each:.0f} kB each), {row['megabytes_most']:.0f} MB at most while they were told",
        ],
        ["processor time of the gateway", f"{row['cpu_share']:.0%} of one core"],
    ]
    return [
        f"## {STREAMS} event streams, an event a second each",
        "",
        "Each client follows an audit of its own, with a key; a process beside the gateway records an event of every",
        "audit each second,",
        "a tenth of the audits at a time. One task of the gateway, the tailer, looks for new events of all",
        "of them every",
        "250 ms, in one indexed query.",
        "",
        *table(["what", "measured"], facts),
        "",
        verdict(reached, f"{STREAMS} streams hear an event a second, none is missed, and none holds a connection"),
        "",
    ]


def stalls(rows: list[Row]) -> list[str]:
    """Large bodies."""
    lines = []
    for kind in ("bare", "gateway"):
        these = [row for row in rows if row["kind"] == kind]
        longest = [row["longest"] for row in these]
        lines.append(
            [
                kind,
                f"{statistics.median(row['median'] for row in these):.1f} ms",
                f"{statistics.median(longest):.0f} ms ({min(longest):.0f} – {max(longest):.0f})",
                f"{statistics.median(row['seconds'] for row in these):.2f} s",
            ]
        )
    return [
        "## A small request beside a large one",
        "",
        f"{rounds(rows)}: a request with {rows[0]['megabytes']:.0f} MB of pictures to each, and small ones to",
        "the same process",
        "until it is answered. The bare route has FastAPI read the body, on the event loop; the gateway",
        "reads it in a thread",
        "and, more than the bare route, decodes the pictures.",
        "",
        *table(["route", "small: median", "small: the longest, median (range) of the rounds", "the large one"], lines),
        "",
    ]


def many(rows: list[Row]) -> list[str]:
    """Many queued audits."""
    return [
        "## Polls of many audits that wait",
        "",
        f"{rounds(rows)}: {rows[0]['audits']} queued audits polled in turn without an ETag. Every answer is",
        "made anew when it is a",
        "second old, with what the audit waits for; audits that are asked for at the same moment are read together.",
        "",
        *table(HEAD, [line("gateway 200, in turn", rows, any_kind=True)]),
    ]


HEAD = ["route", "per second: median (range)", "p50", "p95", "p99", "processor time each", "errors"]


def line(kind: str, rows: list[Row], *, any_kind: bool = False) -> list[str]:
    """One kind of request, all its rounds; latencies are medians over rounds."""
    these = [row for row in rows if any_kind or row["kind"] == kind]
    rates = [row["per_second"] for row in these]
    latencies = [f"{statistics.median(row[part] for row in these):.1f} ms" for part in ("p50", "p95", "p99")]
    each = statistics.median(row["cpu_microseconds"] for row in these)
    spread = f"{statistics.median(rates):.0f} ({min(rates):.0f} – {max(rates):.0f})"
    return [kind, spread, *latencies, f"{each:.0f} µs", f"{sum(row['errors'] for row in these)}"]


class Comparison:
    """Rates as shares of the reference's, round by round."""

    def __init__(self, rows: list[Row], reference: str) -> None:
        self._rates = {(row["round"], row["kind"]): row["per_second"] for row in rows}
        self._reference = reference
        self._rounds = sorted({row["round"] for row in rows})

    def ratios(self, kind: str) -> list[float]:
        """One for each round."""
        return [self._rates[n, kind] / self._rates[n, self._reference] for n in self._rounds]

    def ratio(self, kind: str) -> float:
        """The median over rounds."""
        return statistics.median(self.ratios(kind))

    def cell(self, kind: str) -> str:
        """The median and the range."""
        if kind.startswith("bare"):
            return "–" if kind == self._reference else f"{self.ratio(kind):.2f}"
        ratios = self.ratios(kind)
        return f"**{self.ratio(kind):.2f}** ({min(ratios):.2f} – {max(ratios):.2f})"


def median(rows: Iterable[Row], kind: str, column: str, **of: Any) -> float:
    """Of a column, over the rounds of a kind."""
    wanted = {"kind": kind, **of}
    return float(statistics.median(row[column] for row in rows if all(row[name] == wanted[name] for name in wanted)))


def rounds(rows: list[Row]) -> str:
    """How many there were of each kind."""
    count = len({row["round"] for row in rows})
    seconds = {round(row["seconds"]) for row in rows if "requests" in row}
    return f"{count} rounds" + (f" of {max(seconds)} s each" if seconds else "")


def verdict(reached: bool, what: str) -> str:
    """Whether it was reached."""
    return f"Reached: {what}." if reached else f"**Not reached**: {what}."
