"""What a benchmark's numbers stand on: the first row of its raw rows, and the first sentence of its page."""

import datetime
import os
import platform
import subprocess
from importlib.metadata import version
from typing import Any

from worker.engine.setting import Setting


def meta(command: str, setting: Setting, **more: Any) -> dict[str, Any]:
    """The command, the commit, the machine, the versions, the model and its judge; ``more`` is the benchmark's own."""
    return {
        "table": "meta",
        "command": command,
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{len(os.sched_getaffinity(0))} core(s), {platform.machine()}, no GPU",
        "versions": {name: version(name) for name in ("torch", "diffusers", "transformers")},
        "model": setting.model.digest,
        "descriptor": setting.descriptor.digest,
        "threshold": setting.descriptor.threshold,
        "sampler": {"steps": setting.sampler.steps, "guidance": setting.sampler.guidance},
        **more,
    }


def commit() -> str:
    """The commit of this tree; marked when the tree differs from it by more than results."""
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/results")
    return _git("rev-parse", "HEAD") + ("+" if changed else "")


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603, S607


def made(meta: dict[str, Any]) -> str:
    """When, by which command, at which commit and where."""
    versions = ", ".join(f"{name} {number}" for name, number in meta["versions"].items())
    mark = "+" if meta["commit"].endswith("+") else ""
    commit = f"{meta['commit'][:12]}{mark}"
    return f"Made {meta['date']} by `{meta['command']}` at commit `{commit}`; {meta['machine']}; {versions}."
