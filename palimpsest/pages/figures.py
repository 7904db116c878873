"""Numbers as they stand in a page: shares with their counts and intervals, and the results of analyses as a table."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from palimpsest.contract.report import Analysed, Drift, MitigationSummary, Rate, ReplicationRates, SwitchedOff
from palimpsest.pages.strips import GRAVITY

DASH = "–"
MISSING = "not measured"


@dataclass(frozen=True)
class Share:
    """A rate in words, and its interval as a bar on an axis from 0 to 100."""

    value: str
    counts: str
    interval: str
    low: float
    width: float
    at: float


def share(rate: Rate | None) -> Share | None:
    """None for what was not measured."""
    if rate is None or rate.value is None:
        return None
    low, high = 100 * rate.low, 100 * rate.high
    return Share(
        value=percent(rate.value),
        counts=f"{rate.k} of {rate.n}",
        interval=f"{low:.0f}–{high:.0f} %",
        low=round(low, 1),
        width=round(high - low, 1),
        at=round(100 * rate.value, 1),
    )


def percent(value: float) -> str:
    """``88 %``; below one in a hundred with the digits that are left."""
    return f"{100 * value:.0f} %" if value == 0 or value >= 0.01 else f"{100 * value:.2g} %"


@dataclass(frozen=True)
class Compared:
    """One row of the comparison; ``searched`` has each search's share of targets and of controls in turn."""

    mitigation: str
    scope: str
    counts: dict[str, int]
    """Of every verdict that was given, the gravest first."""
    before: Share | None
    prompt: Share | None
    searched: list[Share | None]
    switched_off: str
    drift: str
    degraded: bool


def compared(row: MitigationSummary, probes: list[str]) -> Compared:
    """One mitigation's."""
    rates = row.replication_rate
    return Compared(
        row.mitigation,
        (row.scope or "").replace("_", " "),
        {word: row.counts[word] for word in GRAVITY if row.counts.get(word)},
        share(rates.before),
        share(rates.prompt),
        list(searched(rates, probes)),
        switched_off(row.switched_off),
        drift(row.drift),
        row.drift is not None and row.drift.degraded,
    )


def searched(rates: ReplicationRates, probes: list[str]) -> Iterator[Share | None]:
    """Targets and controls, for each search."""
    for probe in probes:
        yield share(rates.adversarial.get(probe))
        yield share(rates.control.get(probe))


def switched_off(off: SwitchedOff | None) -> str:
    """``0.35 % (3.5 neurons)``; a mean over targets has a fraction, which thousands do not need."""
    if off is None:
        return DASH
    count = f"{off.count:,.0f}" if off.count >= 1000 else f"{off.count:.4g}"
    return f"{percent(off.share)} ({count} {off.what})"


def drift(found: Drift | None) -> str:
    """The drift, and on which side of its bound it is."""
    if found is None:
        return DASH
    side = "beyond" if found.degraded else "within"
    return f"{found.value:.3f}, {side} the bound {found.bound:.3g} (n = {found.n})"


@dataclass(frozen=True)
class Table:
    """An analysis: a column for every mitigation, or batch of its targets, and a row for every number."""

    name: str
    columns: list[str]
    rows: list[tuple[str, list[str]]]
    failed: list[tuple[str, str]]


def table(name: str, found: list[Analysed]) -> Table:
    """Of every analysis, whatever its fields: they are told in the words of its page."""
    told = [(column(each), dict(cells(each.result))) for each in found if each.result is not None]
    names = list(dict.fromkeys(field for _, fields in told for field in fields))
    rows = [(field, [fields.get(field, DASH) for _, fields in told]) for field in names]
    failed = [(column(each), each.reason or "no reason given") for each in found if each.result is None]
    return Table(name, [heading for heading, _ in told], rows, failed)


def column(found: Analysed) -> str:
    """A mitigation, or the model without any, and for which targets where not for all."""
    return (found.mitigation or "unmitigated model") + (f" ({', '.join(found.targets)})" if found.targets else "")


def cells(result: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """A result's numbers by name, what stands inside another behind a point."""
    for name, value in result.items():
        path = f"{above}{name}"
        if isinstance(value, dict) and {"value", "low", "high"} <= set(value):
            yield path, mean(value)
        elif isinstance(value, dict) and {"value", "null"} == set(value):
            yield path, f"{number(value['value'])} (unchanged model: {number(value['null'])})"
        elif isinstance(value, dict):
            yield from cells(value, f"{path}.")
        elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
            yield path, f"{len(value)} entries, which are in the report itself"
        elif isinstance(value, list):
            yield path, ", ".join(number(each) for each in value[:20]) + (" …" if len(value) > 20 else "") or "none"
        else:
            yield path, number(value)


def mean(value: dict[str, Any]) -> str:
    """``0.912 (0.880–0.944), n = 16``; an interval there is not is left out."""
    interval = "" if value["low"] is None else f" ({number(value['low'])}–{number(value['high'])})"
    return number(value["value"]) + interval + (f", n = {value['n']}" if "n" in value else "")


def number(value: Any) -> str:
    """Four digits of a fraction, everything else as it is."""
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
