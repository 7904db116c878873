"""The search-step curve as a drawing: which share of targets, and of controls, the search has recovered by each step.

    x(s) = LEFT + s / last · (WIDTH − LEFT − RIGHT)
    y(r) = TOP + (1 − r) · (HEIGHT − TOP − BOTTOM)

A line through the shares, and a band between the ends of their intervals for the targets. All in SVG's units.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from palimpsest.contract.report import MitigationSummary, Rate, RecoveryPoint

WIDTH, HEIGHT = 360.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 12.0, 12.0, 38.0


@dataclass(frozen=True)
class Tick:
    """A place on an axis, and what is written there."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """Points as SVG's ``points`` and one by one."""

    points: str
    dots: list[tuple[str, str]]


@dataclass(frozen=True)
class Curve:
    """One mitigation and one search."""

    mitigation: str
    probe: str
    targets: Line
    controls: Line
    band: str
    steps: list[Tick]
    shares: list[Tick]
    rows: list[RecoveryPoint]


def curves(summary: Sequence[MitigationSummary]) -> list[Curve]:
    """Every curve that has a point."""
    found = [(row.mitigation, probe, points) for row in summary for probe, points in row.recovery_curve.items()]
    return [drawn(mitigation, probe, points) for mitigation, probe, points in found if points]


def drawn(mitigation: str, probe: str, points: list[RecoveryPoint]) -> Curve:
    """One curve."""
    last = max(1, *(point.step for point in points))
    steps = sorted({0, *(point.step for point in points)})

    def x(step: int) -> float:
        return LEFT + step / last * (WIDTH - LEFT - RIGHT)

    def line(of: Callable[[RecoveryPoint], Rate]) -> Line:
        told = [(x(p.step), of(p).value) for p in points]
        return joined([(at, y(share)) for at, share in told if share is not None])

    known = [p for p in points if p.targets.value is not None]
    upper = [(x(p.step), y(p.targets.high)) for p in known]
    lower = [(x(p.step), y(p.targets.low)) for p in reversed(known)]
    return Curve(
        mitigation,
        probe,
        targets=line(lambda p: p.targets),
        controls=line(lambda p: p.controls),
        band=joined(upper + lower).points,
        steps=[Tick(x(step), str(step)) for step in apart(steps)],
        shares=[Tick(y(share), f"{share:.0%}") for share in (0.0, 0.5, 1.0)],
        rows=points,
    )


def y(share: float) -> float:
    """The height of a share."""
    return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)


def joined(points: list[tuple[float, float]]) -> Line:
    """With one digit behind the point."""
    dots = [(f"{a:.1f}", f"{b:.1f}") for a, b in points]
    return Line(" ".join(f"{a},{b}" for a, b in dots), dots)


def apart(steps: list[int], most: int = 7) -> list[int]:
    """The first, the last and some between, so that their numbers do not touch."""
    stride = -(-(len(steps) - 1) // (most - 1)) or 1
    return sorted({*steps[::stride][: most - 1], steps[-1]}) if len(steps) > most else steps
