"""A unit does not fit into memory: its batch is halved until it does, or it is tried again where there is more.

Every other try takes the memory away for real (RLIMIT_AS, while one unit is worked on); the others say how many rows
fit, which is what an operator would (``PALIMPSEST_MEMORY_ROWS``) and comes at a known place.
"""

from typing import Any

from api_tests.faults.deployment import Setup
from api_tests.faults.trial import Fault, Recovery, Report, Trial

ROWS = 7
BYTES = 4 * 2**20
STAGE = "probe:nemo"
DIGESTS = {"images", "embedding"}
"""Of evidence: another last bit is another digest."""
TOLERANCE = 0.001
"""Of a score between −1 and 1: a batch of another size is summed in another order."""


def provoke(trial: Trial) -> Recovery:
    """Little memory for one unit of the first audit, once."""
    stack = trial.stack
    audit = next(iter(trial.audits))
    by = "rows" if trial.number % 2 == 0 else "bytes"
    trial.facts["by"] = by
    most = {"rows": ROWS} if by == "rows" else {"bytes": BYTES}
    stack.order("memory", what=most, audit=audit, stage=STAGE, ordinal=0, fence=1)
    trial.until_working()
    stack.until(lambda: bool(short(trial)), "the unit to be short of memory", 120)
    trial.strike()
    [unit] = [unit for unit in trial.units().values() if unit.id == short(trial)[0]["unit"]]
    return trial.done(unit)


def short(trial: Trial) -> list[dict[str, Any]]:
    """What the workers noted about units of this try that had little memory."""
    return [line for line in trial.stack.journal("limited") if line["audit"] in trial.audits]


def agrees(trial: Trial, report: Report, undisturbed: Report) -> list[str]:
    """Verdicts are equal, scores within the tolerance; the largest difference is noted."""
    found = compared(report["verdicts"], undisturbed["verdicts"], "verdicts")
    largest = max((size for _, size in found if size is not None), default=0.0)
    trial.facts["largest_difference"] = max(round(largest, 6), trial.facts.get("largest_difference", 0.0))
    return [f"{path} differs by {size}" for path, size in found if size is None or size > TOLERANCE]


def compared(one: Any, other: Any, path: str) -> list[tuple[str, float | None]]:
    """Where two results differ, and by how much; None where it is not numbers that differ."""
    if isinstance(one, float) and isinstance(other, float):
        return [(path, abs(one - other))] if one != other else []
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [d for key in sorted(one.keys() - DIGESTS) for d in compared(one[key], other[key], f"{path}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [d for n, pair in enumerate(zip(one, other, strict=True)) for d in compared(*pair, f"{path}.{n}")]
    return [] if one == other else [(path, None)]


FAULT = Fault(
    "out-of-memory unit",
    "the unit is done",
    provoke,
    agrees,
    f"equal verdicts, scores within {TOLERANCE}",
    setup=Setup("little memory"),
)
