"""The gateway, the sweeper and the launcher start fast and run anywhere: no numerical stack."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "numpy", "scipy", "diffusers", "transformers", "tokenizers", "safetensors", "accelerate"}


@pytest.mark.parametrize("module", ["service.app", "service.sweeper", "service.dispatch", "service.up"])
def test_no_numerical_library_is_loaded(module: str) -> None:
    """A fresh interpreter that imports an entry point has none of them, and nothing of the worker."""
    source = f"import {module}, sys, json; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    loaded = {name.split(".")[0] for name in json.loads(out)}
    assert "service" in loaded
    assert loaded & {*HEAVY, "worker"} == set()


def test_it_runs_where_they_are_not_installed() -> None:
    """As in the gateway's image: with their names barred, every module of the gateway and of the ledger is imported."""
    source = f"""
import importlib, pathlib, sys
sys.modules.update(dict.fromkeys({sorted([*HEAVY, "worker"])}))
for package in ("service", "ledger", "palimpsest"):
    for file in sorted(pathlib.Path(package).rglob("*.py")):
        if not {{"tests", "migrations"}} & set(file.parts):
            importlib.import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"))
try:
    import torch
except ModuleNotFoundError:
    print("barred")
"""
    told = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, check=False, text=True)
    assert told.returncode == 0, told.stderr
    assert told.stdout.endswith("barred\n")
