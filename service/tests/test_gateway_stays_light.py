"""The gateway and the sweeper start fast and run anywhere: no numerical stack."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "numpy", "scipy", "diffusers", "transformers", "tokenizers", "safetensors", "accelerate"}


def test_no_numerical_library_is_loaded() -> None:
    """A fresh interpreter that imports every module of the service has none of them."""
    modules = [f"service.{path.stem}" for path in (ROOT / "service").glob("*.py") if path.stem != "__init__"]
    assert {"service.app", "service.sweeper", "service.dispatch", "service.up"} <= set(modules)
    source = f"import {', '.join(modules)}, sys, json; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    assert HEAVY & set(json.loads(out)) == set()
    assert not any(name.startswith("worker") for name in json.loads(out))
