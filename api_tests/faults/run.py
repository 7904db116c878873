"""``make faults``: twenty tries of every fault, a raw row each; it goes on where it was cut.

python -m api_tests.faults.run [--tries 20] [--only redis_frozen …] [--raw F]
"""

import argparse
import json
import sys
import traceback
from contextlib import closing
from pathlib import Path
from typing import Any

from api_tests import tiny_model
from api_tests.faults import attempt
from api_tests.faults.deployment import Deployment
from api_tests.faults.table import FAULTS
from api_tests.faults.trial import Report
from api_tests.results import UNDER_WAY, append, commit, meta, publish, read, say

RAW = UNDER_WAY / "faults.jsonl"


def main() -> int:
    """Entry point; 1 when a try went wrong."""
    parser = argparse.ArgumentParser(prog="python -m api_tests.faults.run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--only", nargs="*", default=list(FAULTS), choices=list(FAULTS))
    parser.add_argument("--raw", type=Path, default=RAW)
    parser.add_argument("--short", action="store_true", help="outages as short as in make test")
    asked = parser.parse_args()
    rows = read(asked.raw)
    if not rows:
        append(asked.raw, meta("make faults"))
    with tiny_model.written() as model:
        undisturbed = Undisturbed(model)
        good = [every(name, asked.tries, asked.raw, undisturbed, full=not asked.short) for name in asked.only]
    if set(asked.only) == set(FAULTS):
        publish(asked.raw)
    return 0 if all(good) else 1


def every(name: str, wanted: int, raw: Path, undisturbed: "Undisturbed", *, full: bool) -> bool:
    """The tries of a fault that are not in the raw file yet; whether none went wrong."""
    done = sum(row["table"] == "tries" and row["fault"] == name for row in read(raw))
    left = range(done, wanted)
    say(f"{name}: {done} tries are there, {len(left)} are left")
    return tries(name, left, raw, undisturbed, full=full)


class Undisturbed:
    """The reports to compare with, made when first needed, in a deployment of their own."""

    def __init__(self, model: Path) -> None:
        self.model = model
        self._reports: dict[int, Report] = {}

    def __call__(self) -> dict[int, Report]:
        """By seed."""
        if not self._reports:
            with closing(Deployment.open(model=self.model)) as stack:
                self._reports = attempt.undisturbed(stack)
        return self._reports


def tries(name: str, numbers: range, raw: Path, undisturbed: Undisturbed, *, full: bool) -> bool:
    """The tries of one fault in one deployment; in a new one after a try that went wrong. Whether none did."""
    stack, good = None, True
    try:
        for number in numbers:
            reports = undisturbed()
            stack = stack or Deployment.open(setup=FAULTS[name].setup, model=undisturbed.model)
            row = one(stack, name, number, reports, full=full)
            append(raw, {"table": "tries", "fault": name, "try": number, "commit": commit(), **row})
            told = {key: value for key, value in row.items() if key != "complaints"}
            say(f"{name} {number}: {json.dumps(told)}{''.join(chr(10) + '  ' + said for said in row['complaints'])}")
            if row["complaints"] or row["lost"]:
                good = False
                say(f"  its logs are left in {stack.home}")
                stack.keep = True
                stack.close()
                stack = None
    finally:
        if stack is not None:
            stack.close()
    return good


def one(stack: Deployment, name: str, number: int, undisturbed: dict[int, Any], *, full: bool) -> dict[str, Any]:
    """A try; one that could not be carried through is a row too."""
    try:
        return attempt.once(stack, FAULTS[name], undisturbed, number=number, full=full)
    except Exception:  # noqa: BLE001  whatever went wrong belongs into the row
        return {"lost": None, "complaints": [traceback.format_exc(limit=-4)]}


if __name__ == "__main__":
    sys.exit(main())
