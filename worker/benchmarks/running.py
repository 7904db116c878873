"""What every measurement does: it takes the cores it was given, tells how far it is, and writes its rows."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch


def use_cores() -> None:
    """Those this process was given."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.set_flush_denormal(True)


def say(sentence: str) -> None:
    """Progress, to whoever waits."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {sentence}\n")


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Raw rows, all at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
