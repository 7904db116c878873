"""One unit kills every worker that touches it: it is given up after three, and nothing else suffers.

The poisoned unit holds no control. What is compared of the other cells is everything but the p-values' adjustment,
which runs over the targets that were measured.
"""

from api_tests.faults.asked import TARGETS
from api_tests.faults.trial import Fault, Recovery, Report, Trial, differences, equal
from api_tests.record import ENDED, Unit

STAGE, ORDINAL, MITIGATION = "probe:wanda", 0, "wanda"
MOST_ATTEMPTS = 3


def provoke(trial: Trial) -> Recovery:
    """Poison one unit of the first audit."""
    stack = trial.stack
    poisoned = next(iter(trial.audits))
    stack.order("poison", audit=poisoned, stage=STAGE, ordinal=ORDINAL)
    trial.facts["poisoned"] = poisoned
    trial.until_working()
    stack.until(lambda: any(is_it(unit, poisoned) and unit.fence for unit in trial.units().values()), "the bite", 120)
    trial.strike()

    def given_up() -> bool:
        [unit] = [unit for unit in trial.units().values() if is_it(unit, poisoned)]
        trial.facts["attempts"] = unit.fence
        return unit.state in ENDED

    return given_up


def is_it(unit: Unit, audit: str) -> bool:
    """Whether this is the poisoned unit."""
    return (unit.audit_id, unit.stage, unit.ordinal) == (audit, STAGE, ORDINAL)


def agrees(trial: Trial, report: Report, undisturbed: Report) -> list[str]:
    """Of the poisoned audit: its unit's cells are inconclusive, every other one is the same to the bit."""
    if report["audit_id"] != trial.facts["poisoned"]:
        return equal(trial, report, undisturbed)
    complaints = []
    if trial.facts["attempts"] != MOST_ATTEMPTS:
        complaints.append(f"the poisoned unit was tried {trial.facts['attempts']} times")
    poisoned = {f"target-{n}" for n in range(TARGETS // 2)}
    for mine, other in zip(report["verdicts"], undisturbed["verdicts"], strict=True):
        where = f"{mine['target_id']} under {mine['mitigation']}"
        if mine["mitigation"] == MITIGATION and mine["target_id"] in poisoned:
            complaints += [f"{where} is {mine['verdict']}"] * (mine["verdict"] != "inconclusive")
        else:
            changed = [path for path in differences(mine, other) if not path.endswith("p_adjusted")]
            complaints += [f"{where}: {path}" for path in changed]
    trial.facts["inconclusive_cells"] = len(poisoned)
    return complaints


FAULT = Fault("poison unit", "the unit is given up", provoke, agrees, "its own cells inconclusive, all others equal")
