"""Raw rows of measurements: JSON lines, the first of which says what they stand on."""

import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from api_tests.stack import ROOT
from ledger.tests.servers import find

Row = dict[str, Any]
UNDER_WAY = ROOT / ".cache" / "results"
"""Rows of measurements that are not through yet: a page is rendered from whole ones only."""
MADE = ROOT / "docs" / "results" / "raw"


def meta(command: str) -> Row:
    """What the numbers stand on."""
    return {
        "table": "meta",
        "command": command,
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{len(os.sched_getaffinity(0))} core(s), {platform.machine()}, no GPU",
        "versions": {name: version(name) for name in ("celery", "kombu", "redis", "sqlalchemy", "psycopg", "torch")},
        "servers": [
            told(find("postgres", package="postgresql"), "--version"),
            told(find("redis-server", package="redis-server"), "--version"),
        ],
    }


def commit() -> str:
    """The commit of this tree; marked when the tree differs from it by more than results."""
    changed = told("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/results")
    return told("git", "-C", str(ROOT), "rev-parse", "HEAD") + ("+" if changed else "")


def told(*words: str) -> str:
    """What a command says."""
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def read(raw: Path) -> list[Row]:
    """The rows there are."""
    return [json.loads(line) for line in raw.read_text().splitlines()] if raw.exists() else []


def append(raw: Path, row: Row) -> None:
    """One more."""
    raw.parent.mkdir(parents=True, exist_ok=True)
    with raw.open("a") as file:
        file.write(json.dumps(row) + "\n")


def publish(raw: Path) -> None:
    """The measurement is through: its rows go where pages are rendered from."""
    if raw.parent == UNDER_WAY:
        MADE.mkdir(parents=True, exist_ok=True)
        raw.replace(MADE / raw.name)


def say(sentence: str) -> None:
    """To whoever waits."""
    sys.stderr.write(f"{datetime.datetime.now().time():%H:%M:%S} {sentence}\n")
    sys.stderr.flush()


def stands_on(meta: Row, rows: list[Row]) -> str:
    """The meta row as a sentence."""
    versions = ", ".join(f"{name} {number}" for name, number in meta["versions"].items())
    commits = ", ".join(sorted({row["commit"][:12] for row in rows}))
    servers = "; ".join(server.split(" sha=")[0] for server in meta["servers"])
    return (
        f"Made {meta['date']} by `{meta['command']}` at commit `{commits}`; {meta['machine']}; {versions}; {servers}. "
    )


def table(head: list[str], lines: Iterable[list[str]]) -> list[str]:
    """A Markdown table."""
    return ["| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *lines]]
