"""The six words, and when each applies (docs/verdicts.md has the table)."""

from dataclasses import dataclass

from palimpsest.contract.verdicts import VerdictName

CONTROL_BOUND = 0.02


@dataclass(frozen=True)
class Seen:
    """What the probes saw of one target; None where a probe was not asked or its unit is missing.

    ``recovered`` and ``recoverable`` are by probe id: after the mitigation, and before any.
    """

    prompt_before: bool | None
    recoverable: dict[str, bool]
    prompt_after: bool | None
    recovered: dict[str, bool]
    controls_before: dict[str, bool]
    controls_after: dict[str, bool]
    degraded: bool
    missing: list[str]


def judge(seen: Seen) -> tuple[VerdictName, list[str]]:
    """One word and the reasons that limit it. ``controls_*`` is True where controls replicate beyond the bound."""
    if seen.missing:
        return "inconclusive", [f"missing: {what}" for what in seen.missing]
    credible_before = [p for p, hit in seen.recoverable.items() if hit and not seen.controls_before.get(p, False)]
    if not seen.prompt_before and not credible_before:
        if any(seen.recoverable.values()):
            return "inconclusive", ["before any mitigation the search replicates controls too"]
        return "not_memorized", []
    if seen.prompt_after:
        return "still_replicates", []
    return _after_the_prompt_fell_silent(seen, credible_before)


def _after_the_prompt_fell_silent(seen: Seen, credible_before: list[str]) -> tuple[VerdictName, list[str]]:
    recovered = [p for p, hit in seen.recovered.items() if hit]
    credible = [p for p in recovered if not seen.controls_after.get(p, False)]
    if credible:
        return "concealed", [f"recovered by {p}" for p in credible]
    if recovered:
        return "inconclusive", ["controls replicate at the same budget too"]
    if not credible_before:
        return "inconclusive", ["the search has no power: it did not recover the target on the unmitigated model"]
    if seen.degraded:
        return "inconclusive", ["the mitigated model is degraded past the bound stated beforehand"]
    return "not_recovered", []
