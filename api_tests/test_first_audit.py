"""``make audit``, as a newcomer runs it: one command, the embedded defaults, a report at the end."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from api_tests.stack import ROOT
from ledger.tests.servers import free_port

GIGABYTE = 10**9


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report that the command of ``make audit`` leaves, from a home of its own."""
    home = tmp_path_factory.mktemp("first")
    report = home / "report.json"
    own = {"PALIMPSEST_HOME": str(home / "home"), "PALIMPSEST_PORT": str(free_port())}
    audit = [str(Path(sys.executable).parent / "palimpsest"), "audit", "run", "docs/first-audit.json"]
    command = [sys.executable, "-m", "service.up", "--", *audit, "--output", str(report)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def test_its_report_validates(answered: dict[str, Any]) -> None:
    """Against the published schema."""
    jsonschema.validate(answered, json.loads((ROOT / "docs" / "report.schema.json").read_text()))


def test_it_finds_an_image_that_is_only_concealed(answered: dict[str, Any]) -> None:
    """At least one target under one mitigation."""
    assert "concealed" in {verdict["verdict"] for verdict in answered["verdicts"]}


def test_no_control_replicates(answered: dict[str, Any]) -> None:
    """Under any mitigation, by any probe."""
    rates = [
        rate for each in answered["summary"]["mitigations"] for rate in each["replication_rate"]["control"].values()
    ]
    assert sum(rate["n"] for rate in rates) > 0
    assert sum(rate["k"] for rate in rates) == 0


def test_it_stays_small(answered: dict[str, Any]) -> None:
    """The worker never had more than two gigabytes; how little was spent is in the report: four drawings a prompt."""
    assert int(answered["environment"]["peak_rss_bytes"]) <= 2 * GIGABYTE
    assert answered["resolved"]["effort"]["evaluation_images"] == 4
