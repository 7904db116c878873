"""A planted model over HTTP: planted, offered, audited and compared with its truth, by the commands themselves."""

import json
import os
import subprocess
import sys
from pathlib import Path

from api_tests import tiny_model
from api_tests.stack import ROOT


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """To its end."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def rows(folder: Path, name: str, *sets: str, **more: int) -> Path:
    """The tiny model's sets as rows to plant, or not to."""
    listed = [json.loads(line) | more for s in sets for line in (folder / f"{s}.jsonl").read_text().splitlines()]
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in listed))
    return path


def test_a_planted_model_is_audited_over_http(tmp_path: Path) -> None:
    """
    Three steps plant nothing: three canaries are missed, no innocent is accused, each of the five has a verdict

    Asked by ``palimpsest canaries``; the same by a model whose truth is another's is refused.
    """
    with tiny_model.written() as folder:
        card = folder / "descriptor" / "card.json"
        card.write_text(json.dumps(json.loads(card.read_text()) | {"threshold": 0.9999}))
        more = [{"id": f"more-{n}", "prompt": f"picture {n}", "image": "controls/lamp.png"} for n in range(2)]
        controls = folder / "controls.jsonl"
        controls.write_text(controls.read_text() + "".join(json.dumps(row) + "\n" for row in more))
        out = tmp_path / "planted"
        files = ["--canaries", str(rows(folder, "canaries", "targets", copies=2))]
        files += ["--unseen", str(rows(folder, "unseen", "controls")), "--out", str(out)]
        short = ["--steps", "3", "--batch-size", "4", "--own-draws", "2", "--threads", "1"]
        model = ["--model", str(folder / "registration.json"), "--id", "planted"]
        environment = tiny_model.environment(folder)
        planted = run("worker.canaries", "plant", *model, *files, *short, **environment)
        assert planted.returncode == 0, planted.stderr

        port = run("service.free_port").stdout.strip()
        own = {"PALIMPSEST_HOME": str(tmp_path / "home"), "PALIMPSEST_PORT": port}
        own["PALIMPSEST_REGISTRATIONS"] = json.dumps([str(out / "registration.json")])
        ask = [sys.executable, "-m", "palimpsest.cli", "canaries", "audit", str(out), "--effort", "quick"]
        found = tmp_path / "found.json"
        audited = run("service.up", "--", *ask, "--output", str(found), **environment | own)
        assert audited.returncode == 0, audited.stderr
        assert "never planted, called memorized    0/3" in audited.stdout
        assert "2 copies, missed                   3/3" in audited.stdout
        words = json.loads(found.read_text())["verdicts"]["planted"]
        assert set(words) == {"fox", "kite", "bell", "lamp", "boat", "more-1"}

        truth = json.loads((out / "truth.json").read_text())
        (out / "truth.json").write_text(json.dumps(truth | {"model": "f" * 64}))
        refused = run("service.up", "--", *ask, **environment | own)
        assert refused.returncode == 2
        assert "is not the model of this truth" in refused.stderr
