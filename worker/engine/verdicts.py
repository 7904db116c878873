"""The six words, and when each applies (docs/verdicts.md has the table)."""

from dataclasses import dataclass

from palimpsest.contract.verdicts import VerdictName

CONTROL_BOUND = 0.02
NOT_DETECTED, NO_CONSENSUS = "NOT_DETECTED", "NO_CONSENSUS"
"""Why nothing stands in for the image of a target that has none."""

NO_PROMPT = "no prompt was given: the prompt probe does not apply"


POWERLESS = "the region's judge has no power: not even the autoencoder's copy of the reference is a copy by it"


@dataclass(frozen=True)
class Seen:
    """What the probes saw of one target; None where a probe was not asked or its unit is missing.

    ``recovered`` and ``recoverable`` are by probe id: after the mitigation, and before any. ``controls_*`` says by
    probe id whether controls at the same budget replicate beyond the bound; None where no control met this model.
    ``consensus``: the reference is what the unmitigated model draws of a prompt that a detector flags.
    ``powerless``: it is judged in a region where the judge would not know a copy: silence says nothing.
    """

    prompt_before: bool | None
    recoverable: dict[str, bool]
    prompt_after: bool | None
    recovered: dict[str, bool]
    controls_before: dict[str, bool | None]
    controls_after: dict[str, bool | None]
    degraded: bool
    missing: list[str]
    consensus: bool = False
    powerless: bool = False


def judge(seen: Seen) -> tuple[VerdictName, list[str]]:
    """One word and the reasons that limit it. A recovery counts where controls were asked and did not replicate."""
    if seen.missing:
        return "inconclusive", [f"missing: {what}" for what in seen.missing]
    word, reasons = _judged(seen)
    if seen.powerless and word in ("not_memorized", "not_recovered"):
        return "inconclusive", [POWERLESS]
    return word, reasons


def _judged(seen: Seen) -> tuple[VerdictName, list[str]]:
    credible_before = credible(seen.recoverable, seen.controls_before)
    if not seen.prompt_before and not credible_before:
        return _never_replicated(seen)
    if seen.prompt_after:
        return "still_replicates", []
    return _after_the_prompt_fell_silent(seen, credible_before)


def credible(found: dict[str, bool], controls: dict[str, bool | None]) -> list[str]:
    """The searches that found it while their controls, at the same budget, stayed silent."""
    return [probe for probe, hit in found.items() if hit and controls.get(probe) is False]


def _never_replicated(seen: Seen) -> tuple[VerdictName, list[str]]:
    found = [probe for probe, hit in seen.recoverable.items() if hit]
    if found:
        return "inconclusive", ["before any mitigation: " + _discredited(found, seen.controls_before)]
    if seen.consensus:
        return "inconclusive", ["a detector flags the prompt, but fresh drawings do not come back to their consensus"]
    if not seen.recoverable:
        return "inconclusive", ["no search was asked for, and the prompt alone does not show that nothing is memorized"]
    return "not_memorized", []


def _after_the_prompt_fell_silent(seen: Seen, credible_before: list[str]) -> tuple[VerdictName, list[str]]:
    found = [probe for probe, hit in seen.recovered.items() if hit]
    counted = credible(seen.recovered, seen.controls_after)
    if counted:
        return "concealed", [f"recovered by {probe}" for probe in counted]
    if found:
        return "inconclusive", [_discredited(found, seen.controls_after)]
    if not credible_before:
        return "inconclusive", [_without_power(seen)]
    if seen.degraded:
        return "inconclusive", ["the mitigated model is degraded past the bound stated beforehand"]
    return "not_recovered", []


def _discredited(found: list[str], controls: dict[str, bool | None]) -> str:
    if any(controls.get(probe) for probe in found):
        return "the search replicates controls at the same budget too"
    return "the search replicates it, but there is no control at the same budget to tell what that means"


def _without_power(seen: Seen) -> str:
    found = [probe for probe, hit in seen.recoverable.items() if hit]
    if found:
        return "no power is shown: before any mitigation, " + _discredited(found, seen.controls_before)
    if not seen.recoverable:
        return "no search was asked for"
    return "the search has no power: it did not recover the target on the unmitigated model"
