"""``palimpsest-ledger``: ``ledger.cli``, where the service's half of Palimpsest is installed; elsewhere a sentence."""

import os
import sys
from importlib.util import find_spec

NEEDED = "ledger"


def main() -> None:
    """Become the command, or say that it is not here."""
    if find_spec(NEEDED) is None:
        sys.stderr.write(f"{NEEDED} is not installed here: this command needs the service's half of Palimpsest\n")
        sys.exit(4)
    os.execv(sys.executable, [sys.executable, "-m", f"{NEEDED}.cli", *sys.argv[1:]])  # noqa: S606 - our own module
