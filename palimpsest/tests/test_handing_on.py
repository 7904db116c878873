"""Commands that the worker's half carries out."""

import subprocess
import sys
from pathlib import Path

import pytest

from palimpsest.handing_on import handed_on, is_there

ROOT = Path(__file__).parents[2]


def test_a_half_that_is_not_installed_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence and the code of a wrong call, whether the package or its module is missing."""
    for module in ("no_such_package.canaries", "palimpsest.no_such_module"):
        assert not is_there(module)
        assert handed_on([], module) == 4
        assert f"{module} is not installed here" in capsys.readouterr().err


def test_arguments_and_exit_code_pass_unchanged() -> None:
    """``json.tool`` is given a file that is not there, and an option that only it knows."""
    assert is_there("json.tool")
    assert handed_on(["--compact", "no/such/file.json"], "json.tool") != 0
    assert handed_on(["--help"], "json.tool") == 0


def test_canaries_are_handed_on_with_their_options() -> None:
    """``--help`` is that of the worker's command, not of this one."""
    ran = subprocess.run(
        [sys.executable, "-m", "palimpsest.cli", "canaries", "audit", "--help"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert ran.returncode == 0
    assert "python -m worker.canaries audit" in ran.stdout
    assert "--local" in ran.stdout
