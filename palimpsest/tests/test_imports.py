"""What comes along with an import, measured in a fresh interpreter."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"celery", "diffusers", "fastapi", "ledger", "numpy", "redis", "service", "sqlalchemy", "torch", "worker"}
ROOT = Path(__file__).parents[2]
CONTRACT = [
    "accesses",
    "catalogue",
    "keys",
    "methods",
    "model",
    "policy",
    "problems",
    "report",
    "request",
    "schema",
    "signing",
    "status",
    "uploads",
    "verdicts",
    "webhooks",
]


def loaded_by(*modules: str) -> set[str]:
    """The top-level names in ``sys.modules`` after importing."""
    program = f"import {', '.join(modules)}, sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    ran = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    return set(ran.stdout.split())


@pytest.mark.parametrize("module", ["palimpsest.client", "palimpsest.cli", "palimpsest.commands"])
def test_the_client_brings_neither_engine_nor_gateway(module: str) -> None:
    """Nothing of torch, and nothing of what is only deployed."""
    assert not loaded_by(module) & HEAVY


def test_the_contract_brings_pydantic_only() -> None:
    """Neither HTTP nor a terminal."""
    assert sorted(path.stem for path in (ROOT / "palimpsest/contract").glob("[a-z]*")) == CONTRACT
    loaded = loaded_by(*(f"palimpsest.contract.{name}" for name in CONTRACT))
    assert not loaded & (HEAVY | {"httpx", "rich", "typer"})


def test_without_its_extra_the_command_line_says_what_it_lacks() -> None:
    """One sentence and no traceback, in an interpreter without any package."""
    program = "from palimpsest.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-S", "-c", program], check=False, capture_output=True, text=True, env=environment, timeout=60
    )
    assert ran.returncode == 4
    assert ran.stderr == "The command line needs typer, rich, cryptography, jinja2: pip install 'palimpsest[cli]'\n"
