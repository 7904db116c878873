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
