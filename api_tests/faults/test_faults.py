"""Every fault once, with real servers and processes. ``make faults`` does the same twenty times over.

It takes minutes: a lease has to run out, a killed worker loads its libraries again, an outage has to last.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from api_tests import tiny_model
from api_tests.faults import attempt
from api_tests.faults.deployment import Deployment, Setup
from api_tests.faults.table import FAULTS
from api_tests.faults.trial import Report


@dataclass
class Deployments:
    """One at a time, the usual one first; whatever a failed try left behind meets no other test."""

    model: Path
    stack: Deployment | None = None
    undisturbed: dict[int, Report] = field(default_factory=dict)

    def of(self, setup: Setup) -> Deployment:
        """The running one if it will do, or a new one."""
        if not self.undisturbed:
            self.stack = Deployment.open(model=self.model)
            self.undisturbed = attempt.undisturbed(self.stack)
        if self.stack is not None and self.stack.setup == setup:
            return self.stack
        self.close()
        self.stack = Deployment.open(setup=setup, model=self.model)
        return self.stack

    def close(self) -> None:
        """Leave no process behind."""
        if self.stack is not None:
            self.stack.close()
        self.stack = None


@pytest.fixture(scope="module")
def deployments() -> Iterator[Deployments]:
    """Started when first needed."""
    with tiny_model.written() as model:
        found = Deployments(model)
        yield found
        found.close()


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_and_nothing_recorded_twice(deployments: Deployments, name: str) -> None:
    """Every audit in flight ends, every unit is recorded once, and the results are what they would have been."""
    fault = FAULTS[name]
    stack = deployments.of(fault.setup)
    try:
        row = attempt.once(stack, fault, deployments.undisturbed, number=0, full=False)
        assert row["complaints"] == [], row
        assert (row["lost"], row["recorded_twice"]) == (0, 0), row
        assert row["in_flight"] >= 1, row
        assert row["agreeing"] == row["audits"], row
    except BaseException:
        stack.keep = True
        deployments.close()
        raise
