"""Commands that need the worker's half of Palimpsest: handed on to it as they are, where it is installed.

A process of its own runs them, so that the command line itself never loads what computes.
"""

import subprocess
import sys
from importlib.util import find_spec

from palimpsest.exits import USAGE, note

CANARIES = "worker.canaries"


def is_there(module: str) -> bool:
    """Whether ``python -m module`` would find something to run."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def handed_on(arguments: list[str], module: str = CANARIES) -> int:
    """Run it with these arguments; its exit code, or that of a wrong call where it is not installed."""
    if not is_there(module):
        note(f"{module} is not installed here: this command needs the worker's half of Palimpsest")
        return USAGE
    return subprocess.call([sys.executable, "-m", module, *arguments])  # noqa: S603 - our own module, the user's own words
