"""A mitigated model leaves the service by the commands of the documents: export, then export of the whole folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

from api_tests import asking, tiny_model
from api_tests.stack import ROOT, Stack


def command(*words: str) -> str:
    """What a module's command says on stderr; it succeeds."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_joint_mitigation_is_taken_away_by_two_commands(tmp_path: Path) -> None:
    """
    Of an audit of the tiny model: the delta by the client's command, a folder in its model's layout by the worker's
    Of the layers that Wanda prunes the file has every weight; the folder has the files of the model it came from
    """
    model, delta, output = tmp_path / "tiny", tmp_path / "delta.safetensors", tmp_path / "mitigated"
    tiny_model.write(model)
    wanda = {"kind": "wanda", "id": "pruned", "scope": "joint", "timesteps": 1, "sparsity": 0.1}
    asked = {"model": "tiny", "target_set": "tiny:targets", "probes": [{"kind": "prompt"}], "mitigations": [wanda]}
    stack = Stack(tmp_path / "home", tiny_model.environment(model))
    stack.start()
    try:
        stack.wait_until_ready()
        audit = asking.submit(stack.url, asked).json()["id"]
        assert asking.wait(stack.url, audit)["state"] == "succeeded", stack.log("worker")
        export = ["mitigations", "export", audit, "pruned", "--output", str(delta), "--url", stack.url]
        assert f"checkpoint written to {delta}" in command("palimpsest.cli", *export)
    finally:
        stack.stop()
    command("worker.export", "--delta", str(delta), "--model", str(model / "model"), "--output", str(output))
    content = delta.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert {name for name in header if name != "__metadata__"} == {
        "down_blocks.0.attentions.0.transformer_blocks.0.ff.net.2.weight",
        "down_blocks.1.attentions.0.transformer_blocks.0.ff.net.2.weight",
        "mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight",
    }
    written = {path.relative_to(output) for path in output.rglob("*") if path.is_file()}
    assert written == {path.relative_to(model / "model") for path in (model / "model").rglob("*") if path.is_file()}
    weights = Path("unet", "diffusion_pytorch_model.safetensors")
    assert (output / weights).read_bytes() != (model / "model" / weights).read_bytes()
