"""The door of the command line: the commands are in ``commands``, and need the extra ``cli``."""

import sys
from importlib.util import find_spec

NEEDED = ("typer", "rich", "cryptography", "jinja2")


def main() -> None:
    """Run the command line, or say in a sentence what it lacks."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        sys.stderr.write(f"The command line needs {', '.join(missing)}: pip install 'palimpsest[cli]'\n")
        sys.exit(4)
    from palimpsest.commands import app  # noqa: PLC0415 - imports what may be missing

    app()


if __name__ == "__main__":
    main()
