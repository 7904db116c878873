"""``palimpsest-ledger upgrade``: migrate the ledger's database, explicitly."""

import argparse

from ledger.database import Ledger
from ledger.places import Places


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="palimpsest-ledger", description="Looks after the ledger's database.")
    parser.add_argument("action", choices=["upgrade"], help="upgrade: migrate to this version's schema")
    parser.add_argument("--url", default=Places().ledger, help="default: PALIMPSEST_LEDGER_URL, or SQLite at home")
    ledger = Ledger(parser.parse_args().url)
    ledger.upgrade()
    ledger.close()
    print("The ledger is up to date.")


if __name__ == "__main__":
    main()
