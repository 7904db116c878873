"""Pages of the measurements made here: ``python -m api_tests.pages`` writes them, ``--check`` says which are stale."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from api_tests.faults import page as faults
from api_tests.load import page as load
from api_tests.results import read
from api_tests.scaling import page as scaling
from api_tests.stack import ROOT

RESULTS = ROOT / "docs" / "results"
PAGES: dict[str, Callable[[list[dict[str, Any]]], list[str]]] = {
    "faults": faults.page,
    "scaling": scaling.page,
    "load": load.page,
}


def main() -> int:
    """Entry point; 1 when a page is stale."""
    parser = argparse.ArgumentParser(prog="python -m api_tests.pages", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if a page differs from what its rows say")
    parser.add_argument("--only", nargs="*", default=list(PAGES), choices=list(PAGES))
    asked = parser.parse_args()
    stale = []
    for name in asked.only:
        rows = read(RESULTS / "raw" / f"{name}.jsonl")
        path = RESULTS / f"{name}.md"
        if not rows and not path.exists():
            continue
        text = "\n".join(PAGES[name](rows)) + "\n"
        if not asked.check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        sys.stderr.write(f"stale, run python -m api_tests.pages: {', '.join(stale)}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
