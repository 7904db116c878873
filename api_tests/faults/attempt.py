"""One try, from two audits submitted to the row that says what became of them."""

import time
from typing import Any

import httpx

from api_tests.faults import asked
from api_tests.faults.deployment import Deployment
from api_tests.faults.trial import Fault, Recovery, Report, Trial
from api_tests.record import TERMINAL

DEADLINE = 240.0
"""Seconds in which every audit has ended, or is lost."""


def once(stack: Deployment, fault: Fault, undisturbed: dict[int, Report], *, number: int, full: bool) -> dict[str, Any]:
    """One try; its raw row."""
    stack.settle()
    trial = Trial(stack, number, full)
    if fault.begun:
        trial.submit_all()
    recovery = recovered(trial, fault.provoke(trial))
    trial.wait(DEADLINE)
    row = tally(trial, fault, undisturbed)
    if recovery is None:
        row["complaints"].append(f"no recovery in {DEADLINE:.0f} s: {fault.recovered}")
    return {
        "in_flight": trial.in_flight,
        "fault_seconds": round(trial.mended - trial.struck, 2),
        "recovery_seconds": recovery,
        **row,
        "facts": trial.facts,
    }


def recovered(trial: Trial, recovery: Recovery) -> float | None:
    """Seconds from the end of the cause until recovery; None if there was none."""
    try:
        trial.stack.until(recovery, "recovery", DEADLINE)
    except AssertionError:
        return None
    return round(max(0.0, time.monotonic() - trial.mended), 2)


def tally(trial: Trial, fault: Fault, undisturbed: dict[int, Report]) -> dict[str, Any]:
    """What was lost, done twice, recorded twice, and whether the results are what they should be."""
    audits = list(trial.audits)
    states = trial.stack.record.audits(audits)
    ended = [audit for audit in audits if states.get(audit) in TERMINAL]
    disagreements = [disagreement(trial, fault, audit, states[audit], undisturbed) for audit in ended]
    units = trial.units()
    ran = [line["unit"] for line in trial.stack.journal("ended") if line["unit"] in units]
    ends = trial.stack.record.ends(audits)
    return {
        "audits": len(audits),
        "lost": len(audits) - len(ended),
        "units": len(units),
        "attempts": sum(unit.fence for unit in units.values()),
        "executed_twice": len(ran) - len(set(ran)),
        "recorded_twice": sum(row["times"] - 1 for row in ends),
        "agreeing": sum(not found for found in disagreements),
        "complaints": [
            *trial.stack.record.contradictions(ended),
            *misremembered(trial, ends),
            *(complaint for found in disagreements for complaint in found),
        ],
    }


def misremembered(trial: Trial, ends: list[dict[str, Any]]) -> list[str]:
    """Units whose history tells another attempt than the one that ended them."""
    told = {(row["audit_id"], row["stage"], row["ordinal"]): row["attempt"] for row in ends}
    return [
        f"{unit.stage}/{unit.ordinal} is {unit.state} by attempt {unit.attempt}, its history says {attempt}"
        for unit in trial.units().values()
        if unit.state in ("done", "failed")
        and (attempt := told.get((unit.audit_id, unit.stage, unit.ordinal))) != unit.attempt
    ]


def disagreement(trial: Trial, fault: Fault, audit: str, state: str, undisturbed: dict[int, Report]) -> list[str]:
    """What is wrong with one audit that has ended."""
    if state != "succeeded":
        return [f"{audit} {state}"]
    try:
        report = asked.report(trial.stack.url, audit)
    except (httpx.HTTPError, AssertionError) as error:
        return [f"{audit} has no report: {error}"]
    return fault.agrees(trial, report, undisturbed[trial.audits[audit]])


def undisturbed(stack: Deployment) -> dict[int, Report]:
    """The reports of the same requests when nothing happens to them, by seed."""
    trial = Trial(stack, 0, full=False)
    trial.submit_all()
    trial.wait(DEADLINE)
    return {seed: asked.report(stack.url, audit) for audit, seed in trial.audits.items()}
